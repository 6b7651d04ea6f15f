// Drawing primitives of the report: panels with axes, broken lines, texts. Everything is written
// with explicit colours and system fonts, so that a viewer's dark mode, and programs without a
// network, show the same picture.
#pragma once

#include <string>
#include <string_view>

#include "runlog/axis.h"
#include "runlog/series.h"

namespace cllm {

namespace colours {
inline constexpr const char* kBackground = "#fcfcfb";
inline constexpr const char* kInk = "#0b0b0b";
inline constexpr const char* kMutedInk = "#52514e";
}  // namespace colours

// `text` for XML: & < > " ' escaped; invalid UTF-8 and characters XML forbids become U+FFFD.
std::string escape_xml(std::string_view text);

// One plot. All positions are in pixels of the picture.
struct Panel {
  double left, right, top, bottom;
  Axis x, y;

  double px(double value) const {
    return left + (value - x.low) / (x.high - x.low) * (right - left);
  }
  double py(double value) const {
    return bottom - (value - y.low) / (y.high - y.low) * (bottom - top);
  }
};

struct TextStyle {
  double size = 13;
  const char* colour = colours::kMutedInk;
  const char* anchor = "start";
  const char* weight = "400";
  bool halo = false;  // a background-coloured outline that keeps it readable on a curve
};

// The document: builds the picture front to back in order of the calls.
class Svg {
 public:
  Svg(double width, double height, std::string_view title);

  void text(double x, double y, std::string_view text, const TextStyle& style);
  void line(double x1, double y1, double x2, double y2, const char* colour, double width,
            const char* dashes = "none");
  void circle(double x, double y, double radius, const char* fill, const char* stroke,
              double stroke_width);
  // Grid, ticks, tick labels of both axes, and the panel's heading. The tick labels of x are drawn
  // if `x_label` is not empty, which then is written under them.
  void frame(const Panel& panel, std::string_view heading, std::string_view x_label);
  // The series within the panel; gaps break it, a point between gaps is a dot.
  void curve(const Panel& panel, const Series& series, const char* colour, double width,
             double opacity = 1);
  // The area between the series and the bottom of the panel.
  void area(const Panel& panel, const Series& series, const char* colour, double opacity);
  std::string finish() &&;

 private:
  // Values outside the panel are cut off there. Opened and closed around curves.
  void open_clip(const Panel& panel);

  std::string out_;
  int clips_ = 0;
};

}  // namespace cllm
