#include "runlog/svg.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace cllm {
namespace {

constexpr const char* kGrid = "#e4e3df";
constexpr const char* kBaseline = "#a9a8a2";
constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Calls use(first, last) for every run of finite points.
template <class Use>
void each_run(const Series& series, Use use) {
  for (size_t i = 0; i < series.size();) {
    size_t last = i;
    while (last < series.size() && std::isfinite(series[last].y))
      ++last;
    if (last > i) use(i, last);
    i = last + 1;
  }
}

}  // namespace

std::string escape_xml(std::string_view text) {
  using nlohmann::json;
  // The JSON writer replaces invalid UTF-8; reading its output back gives the repaired text.
  const json repaired =
      json::parse(json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace));
  const std::string& valid = repaired.get_ref<const std::string&>();
  std::string out;
  for (size_t i = 0; i < valid.size(); ++i) {
    const char c = valid[i];
    const std::string_view three = std::string_view(valid).substr(i, 3);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') {
      out += kReplacement;
    } else if (three == "\xEF\xBF\xBE" || three == "\xEF\xBF\xBF") {  // U+FFFE, U+FFFF
      out += kReplacement;
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

Svg::Svg(double width, double height, std::string_view title) {
  out_ = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" role=\"img\" font-family=\"system-ui, 'Segoe UI', 'Helvetica Neue', "
      "Arial, 'DejaVu Sans', sans-serif\">\n<title>{2}</title>\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"{3}\"/>\n",
      width, height, escape_xml(title), colours::kBackground);
}

void Svg::text(double x, double y, std::string_view text, const TextStyle& style) {
  fmt::format_to(std::back_inserter(out_),
                 "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{}\" "
                 "font-weight=\"{}\"{}>{}</text>\n",
                 x, y, style.size, style.colour, style.anchor, style.weight,
                 style.halo ? fmt::format(" stroke=\"{}\" stroke-width=\"4\" "
                                          "stroke-linejoin=\"round\" paint-order=\"stroke\"",
                                          colours::kBackground)
                            : "",
                 escape_xml(text));
}

void Svg::line(double x1, double y1, double x2, double y2, const char* colour, double width,
               const char* dashes) {
  fmt::format_to(std::back_inserter(out_),
                 "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" "
                 "stroke-width=\"{}\" stroke-dasharray=\"{}\"/>\n",
                 x1, y1, x2, y2, colour, width, dashes);
}

void Svg::circle(double x, double y, double radius, const char* fill, const char* stroke,
                 double stroke_width) {
  fmt::format_to(std::back_inserter(out_),
                 "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\" stroke=\"{}\" "
                 "stroke-width=\"{}\"/>\n",
                 x, y, radius, fill, stroke, stroke_width);
}

void Svg::frame(const Panel& panel, std::string_view heading, std::string_view x_label) {
  text(panel.left, panel.top - 14, heading, {.size = 14, .colour = colours::kInk, .weight = "600"});
  const auto y_labels = tick_labels(panel.y);
  for (size_t i = 0; i < panel.y.ticks.size(); ++i) {
    const double y = panel.py(panel.y.ticks[i]);
    line(panel.left, y, panel.right, y, kGrid, 1);
    text(panel.left - 10, y + 4, y_labels[i], {.size = 12, .anchor = "end"});
  }
  line(panel.left, panel.bottom, panel.right, panel.bottom, kBaseline, 1);
  const auto x_labels = tick_labels(panel.x);
  for (size_t i = 0; i < panel.x.ticks.size(); ++i) {
    const double x = panel.px(panel.x.ticks[i]);
    line(x, panel.bottom, x, panel.bottom + 5, kBaseline, 1);
    if (!x_label.empty()) text(x, panel.bottom + 20, x_labels[i], {.size = 12, .anchor = "middle"});
  }
  text((panel.left + panel.right) / 2, panel.bottom + 42, x_label, {.anchor = "middle"});
}

void Svg::open_clip(const Panel& panel) {
  ++clips_;
  // Half a line's width of margin, so that a curve along the edge keeps its thickness.
  fmt::format_to(std::back_inserter(out_),
                 "<clipPath id=\"clip{}\"><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
                 "height=\"{:.1f}\"/></clipPath>\n<g clip-path=\"url(#clip{})\">\n",
                 clips_, panel.left - 3, panel.top - 3, panel.right - panel.left + 6,
                 panel.bottom - panel.top + 6, clips_);
}

void Svg::curve(const Panel& panel, const Series& series, const char* colour, double width,
                double opacity) {
  open_clip(panel);
  std::string path;
  each_run(series, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i)
      fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", i == first ? 'M' : 'L',
                     panel.px(series[i].x), panel.py(series[i].y));
    if (last - first == 1)
      circle(panel.px(series[first].x), panel.py(series[first].y), width, colour, "none", 0);
  });
  fmt::format_to(std::back_inserter(out_),
                 "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" "
                 "stroke-opacity=\"{}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n"
                 "</g>\n",
                 path, colour, width, opacity);
}

void Svg::area(const Panel& panel, const Series& series, const char* colour, double opacity) {
  open_clip(panel);
  std::string path;
  each_run(series, [&](size_t first, size_t last) {
    const auto out = std::back_inserter(path);
    fmt::format_to(out, "M{:.1f} {:.1f}", panel.px(series[first].x), panel.bottom);
    for (size_t i = first; i < last; ++i)
      fmt::format_to(out, "L{:.1f} {:.1f}", panel.px(series[i].x), panel.py(series[i].y));
    fmt::format_to(out, "L{:.1f} {:.1f}Z", panel.px(series[last - 1].x), panel.bottom);
  });
  fmt::format_to(std::back_inserter(out_),
                 "<path d=\"{}\" fill=\"{}\" fill-opacity=\"{}\" stroke=\"none\"/>\n</g>\n", path,
                 colour, opacity);
}

std::string Svg::finish() && {
  out_ += "</svg>\n";
  return std::move(out_);
}

}  // namespace cllm
