#include "train/resize.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/memory.h"
#include "crystal/absorbed_model.h"
#include "model/model_folder.h"
#include "model/session.h"
#include "train/compress.h"
#include "train/manifest.h"

namespace cllm {
namespace {

constexpr EnumName<ResizeMethod> kMethodNames[] = {{ResizeMethod::kPca, "pca"},
                                                   {ResizeMethod::kSlice, "slice"}};

// What each site's norm gives, as its second moments.
std::vector<std::vector<double>> site_moments(const AbsorbedModel& absorbed,
                                              const InputMoments& moments) {
  const auto C = static_cast<size_t>(absorbed.model().config().width);
  std::vector<std::vector<double>> all;
  for (const StreamSite& site : absorbed.sites()) {
    all.push_back(moments.hessian(site.reader));
    if (all.back().empty())
      throw Error(ErrorKind::kData, site.norm, "is zero all over the calibration text",
                  "check the model with `cllm eval`");
    // Away goes also the final norm's bias of ones.
    if (absorbed.centred()) centre_both_sides(all.back(), C);
  }
  return all;
}

// Every site counts alike, however many of its numbers are near zero.
std::vector<double> mean_moment(const std::vector<std::vector<double>>& moments, size_t C) {
  std::vector<double> mean(C * C);
  for (const std::vector<double>& moment : moments) {
    double trace = 0;
    for (size_t i = 0; i < C; ++i)
      trace += moment[i * C + i];
    for (size_t i = 0; trace > 0 && i < mean.size(); ++i)
      mean[i] += moment[i] / trace;
  }
  return mean;
}

StreamBasis choose_basis(const AbsorbedModel& absorbed, ResizeMethod method,
                         const std::vector<std::vector<double>>& moments, int64_t width,
                         ThreadPool& pool) {
  const auto C = static_cast<size_t>(absorbed.model().config().width);
  const auto W = static_cast<size_t>(width);
  if (method == ResizeMethod::kSlice) return leading_coordinates(C, W);
  return principal_directions(mean_moment(moments, C), C, W, absorbed.centred(), pool);
}

// Of every site; told in the report.
std::vector<double> kept_shares(const AbsorbedModel& absorbed,
                                const std::vector<std::vector<double>>& moments,
                                const StreamBasis& basis, ThreadPool& pool, ResizeReport& report) {
  std::vector<double> kept;
  report.kept = 0;
  for (size_t i = 0; i < moments.size(); ++i) {
    kept.push_back(kept_share(moments[i], basis, absorbed.centred(), pool));
    report.sites.push_back({absorbed.sites()[i].norm, kept.back()});
    report.kept += kept.back() / static_cast<double>(moments.size());
  }
  return kept;
}

nlohmann::ordered_json report_json(const ResizeReport& report) {
  nlohmann::ordered_json sites = nlohmann::ordered_json::array();
  for (const ResizedSite& site : report.sites)
    sites.push_back({{"norm", site.norm}, {"kept", site.kept}});
  return {{"version", 1},
          {"from", report.from},
          {"to", report.to},
          {"method", report.method},
          {"calibration_tokens", report.calibration_tokens},
          {"calibration_loss_before", report.loss_before},
          {"calibration_loss", report.loss},
          {"kept", report.kept},
          {"sites", sites}};
}

// The weights given, turned in doubles and rounded, and the result; the moments of every site as
// they are summed and as they are used; the session that reads.
int64_t planned_resize_bytes(const Transformer& model, int64_t width, const ops::Context& context) {
  const ModelConfig config = resized_config(model.config(), model.config().width);
  const Transformer same(config, nullptr, model.shared_prior());
  const Transformer narrow(resized_config(config, width), nullptr, model.shared_prior());
  const int64_t C = config.width, sites = 2 * config.layers + 1;
  const auto doubles = static_cast<int64_t>(sizeof(double)),
             floats = static_cast<int64_t>(sizeof(float));
  return (doubles + floats) * same.parameters().arena_floats() +
         floats * narrow.parameters().arena_floats() + 2 * sites * C * C * doubles +
         Session::planned_bytes(same, context, calibration_shape(config.context_length));
}

void write_folder(const fs::path& out, const ResizedModel& resized, const Tokenizer& tokenizer,
                  ResizeReport& report) {
  AtomicFolder folder(fs::absolute(out).lexically_normal());
  save_model(folder.path(), *resized.model, resized.weights.data(), tokenizer);
  report.file_bytes = static_cast<int64_t>(fs::file_size(folder.path() / "model.safetensors"));
  write_file(folder.path() / kResizeFile, report_json(report).dump(2) + "\n");
  write_manifest(folder.path());
  folder.commit();
}

}  // namespace

std::string_view resize_method_name(ResizeMethod method) {
  return std::ranges::find(kMethodNames, method, &EnumName<ResizeMethod>::value)->name;
}

void ResizeSettings::list(FieldList& fields) {
  fields.add("width", width,
             {.help = "width of the residual stream; 0 = half of what it is",
              .minimum = 0,
              .maximum = 1 << 16});
  fields.add("method", method, kMethodNames,
             {.help = "which directions are kept: pca those in which the stream is largest, slice "
                      "its first coordinates"});
  fields.add("calibration_tokens", calibration_tokens,
             {.help = "about so many tokens of the calibration text, spread over it",
              .unit = "tokens",
              .minimum = 1});
}

int64_t resized_width(const ResizeSettings& settings, const ModelConfig& config) {
  const int64_t width =
      settings.width > 0 ? settings.width : std::max<int64_t>(config.width / 2, 1);
  if (width > config.width)
    throw Error(ErrorKind::kUsage, "--width",
                fmt::format("{} is above the model's {}", width, config.width),
                "directions can only be left out; train a wider model instead");
  if (width < 2 && config.norm == nn::NormKind::kLayerNorm)
    throw Error(ErrorKind::kUsage, "--width",
                fmt::format("{}, and a LayerNorm takes the mean of that away", width),
                "choose at least 2");
  return width;
}

ResizeReport resize_model(const ResizeInputs& inputs, const ResizeSettings& settings,
                          const fs::path& out, const Engine& engine,
                          const ResizeProgress& progress) {
  require_no_model(out);
  require_available(
      "", "resizing this model",
      planned_resize_bytes(inputs.model, resized_width(settings, inputs.model.config()),
                           engine.context()),
      "resize it on a larger machine");
  ResizeReport report;
  report.from = inputs.model.config().width;
  report.to = resized_width(settings, inputs.model.config());
  report.method = resize_method_name(settings.method);
  report.parameters_before = inputs.model.parameters().count();
  ThreadPool& pool = engine.context().pool;
  const AbsorbedModel absorbed(inputs.model, inputs.weights, pool);
  const CalibrationText text{inputs.calibration, settings.calibration_tokens};
  const Arena weights = absorbed.weights();
  const auto read = [&](int32_t parameter) {
    return std::ranges::find(absorbed.sites(), parameter, &StreamSite::reader) !=
           absorbed.sites().end();
  };
  const Calibration calibration =
      calibrate(absorbed.model(), weights.data(), text, engine, read,
                [&](int64_t done, int64_t of) { progress("calibrating", done, of); });
  report.loss_before = calibration.loss;
  report.calibration_tokens = calibration.tokens;

  progress("turning", 0, 1);
  const std::vector<std::vector<double>> moments = site_moments(absorbed, calibration.moments);
  const StreamBasis basis = choose_basis(absorbed, settings.method, moments, report.to, pool);
  const ResizedModel resized =
      absorbed.resized(basis, kept_shares(absorbed, moments, basis, pool, report));
  report.parameters = resized.model->parameters().count();
  report.loss = calibration_loss(*resized.model, resized.weights.data(), text, engine,
                                 [&](int64_t done, int64_t of) { progress("checking", done, of); })
                    .loss;
  if (!std::isfinite(report.loss))
    throw Error(ErrorKind::kData, out.string(), "the narrower model's loss is not finite",
                "choose another --width or --method; nothing was written");
  write_folder(out, resized, inputs.tokenizer, report);
  return report;
}

void verify_resized(const fs::path& folder) {
  verify_manifest(folder, {"config.json", "model.safetensors", std::string(kResizeFile)},
                  "resize the model again");
}

}  // namespace cllm
