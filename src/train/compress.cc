#include "train/compress.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "crystal/coded_matrix.h"
#include "crystal/compress_matrix.h"
#include "crystal/input_moments.h"
#include "model/session.h"
#include "model/stored_names.h"
#include "runlog/run_lock.h"
#include "train/calibration.h"
#include "train/manifest.h"
#include "train/token_text.h"

namespace cllm {
namespace {

constexpr EnumName<QuantiseMethod> kMethodNames[] = {{QuantiseMethod::kRtn, "rtn"},
                                                     {QuantiseMethod::kGptq, "gptq"},
                                                     {QuantiseMethod::kLllBabai, "lll-babai"},
                                                     {QuantiseMethod::kLllKbest, "lll-kbest"}};
constexpr const char* kJobFile = "job.json";
constexpr const char* kInstructionSet = "instruction_set";  // of a job, not of its result

std::vector<StoredPiece> matrices_of(const Transformer& model) {
  std::vector<StoredPiece> pieces = stored_pieces(model);
  std::erase_if(pieces, [&](const StoredPiece& piece) {
    return model.parameters().at(piece.parameter).shape.size() != 2;
  });
  return pieces;
}

std::span<const float> values_of(const CompressInputs& inputs, const StoredPiece& piece) {
  return {inputs.weights + inputs.model.parameters().at(piece.parameter).offset +
              piece.first_row * piece.columns,
          static_cast<size_t>(piece.rows * piece.columns)};
}

// What decides the result, as it is told to people and compared when the work goes on.
nlohmann::ordered_json job_json(const CompressInputs& inputs, const CompressSettings& settings) {
  const auto floats = static_cast<size_t>(inputs.model.parameters().arena_floats());
  return {{"version", 2},  // 1: rows of zeros were coded, and counted in the rate
          {"bits", settings.bits},
          {"method", quantise_method_name(settings.method)},
          {"block", settings.block},
          {"width", settings.width},
          {"seed", settings.seed},
          {"calibration_tokens", settings.calibration_tokens},
          {"calibration", hash64_hex(hash_of_tokens(inputs.calibration))},
          {"weights", hash64_hex(hash64(inputs.weights, floats * sizeof(float)))},
          {"tokenizer", hash64_hex(inputs.tokenizer.hash())}};
}

// Empties an unfinished folder but for the lock, which is held. The job goes last: until then it
// says whose the rest is. What cannot be removed stays.
void clear_workshop(const fs::path& folder) {
  std::error_code kept;
  std::vector<fs::path> doomed;
  for (fs::directory_iterator at(folder, kept), end; !kept && at != end; at.increment(kept))
    if (at->path() != RunLock::file(folder) && at->path() != folder / kJobFile)
      doomed.push_back(at->path());
  doomed.push_back(folder / kJobFile);
  for (const fs::path& entry : doomed)
    fs::remove_all(entry, kept);
}

// Whether a job, as the unfinished folder has it, is the one that a summary tells of.
bool is_job_of(const std::string& job, const std::string& summary) {
  nlohmann::json begun = nlohmann::json::parse(job, nullptr, false);
  const nlohmann::json made = nlohmann::json::parse(summary, nullptr, false);
  if (!begun.is_object() || !made.is_object()) return false;
  begun.erase(kInstructionSet);
  if (begun.size() + 2 != made.size()) return false;  // summary_json() adds two
  for (const auto& [key, value] : begun.items())
    if (!made.contains(key) || made[key] != value) return false;
  return true;
}

// The unfinished folder, held by this process.
class Workshop {
 public:
  // job: as it was begun, or is begun now.
  Workshop(const fs::path& folder, const std::string& job) : folder_(folder), lock_(folder) {
    const fs::path path = folder / kJobFile;
    if (!fs::exists(path)) {
      // The job is the first file, so that a call that was killed before it left no other.
      if (!holds_only(folder, {RunLock::file(folder), temporary_of(path)}))
        throw Error(ErrorKind::kUsage, folder.string(), "holds something else",
                    "remove it, or choose another --out");
      write_file(path, job);
    } else if (read_file(path) != job) {
      throw Error(ErrorKind::kUsage, folder.string(),
                  "holds unfinished work on another model, text or setting",
                  "repeat the command it was begun with, remove it, or choose another --out");
    }
  }

  // The record of an earlier call if there is a whole one.
  std::optional<std::vector<uint8_t>> find(size_t index, const StoredPiece& piece) const {
    const fs::path path = record(index);
    if (!fs::exists(path)) return std::nullopt;
    const std::string text = read_file(path);
    std::vector<uint8_t> bytes(text.begin(), text.end());
    try {
      decode_matrix(bytes, static_cast<size_t>(piece.rows), static_cast<size_t>(piece.columns),
                    path.string());
    } catch (const Error&) {
      return std::nullopt;  // made again
    }
    return bytes;
  }

  void keep(size_t index, const std::vector<uint8_t>& bytes) const {
    write_file(record(index), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  const fs::path& path() const { return folder_; }

 private:
  fs::path record(size_t index) const { return folder_ / fmt::format("matrix-{:05}", index); }

  fs::path folder_;
  RunLock lock_;
};

// The moments of every linear layer's inputs.
InputMoments moments_of(const CompressInputs& inputs, const CompressSettings& settings,
                        const Engine& engine, const CompressControls& controls,
                        CompressReport& report) {
  Calibration calibration = calibrate(
      inputs.model, inputs.weights, {inputs.calibration, settings.calibration_tokens}, engine,
      [](int32_t) { return true; },
      [&](int64_t done, int64_t of) {
        controls.progress({"calibrating", "", done, of});
      });
  report.calibration_loss = calibration.loss;
  report.calibration_tokens = calibration.tokens;
  return std::move(calibration.moments);
}

std::vector<uint8_t> compress_piece(const CompressInputs& inputs, const StoredPiece& piece,
                                    size_t index, const CompressSettings& settings,
                                    const InputMoments& moments, ThreadPool& pool) {
  const std::vector<double> hessian = moments.hessian(piece.parameter);
  const CompressProblem problem{.weights = values_of(inputs, piece),
                                .rows = static_cast<size_t>(piece.rows),
                                .columns = static_cast<size_t>(piece.columns),
                                .hessian = hessian};
  const QuantiseOptions options{.method = settings.method,
                                .augment = true,
                                .block = static_cast<size_t>(settings.block),
                                .width = static_cast<size_t>(settings.width)};
  try {
    return compress_matrix(problem, settings.bits, options,
                           static_cast<uint64_t>(settings.seed) + index, pool);
  } catch (const Error& error) {
    throw Error(error.kind(), piece.name, error.what(), "compress a sound model");
  }
}

// Every record, made now or before; counted in the report.
MatrixRecords make_records(const CompressInputs& inputs, const CompressSettings& settings,
                           const Workshop& workshop, const Engine& engine,
                           const CompressControls& controls, CompressReport& report) {
  const std::vector<StoredPiece> pieces = matrices_of(inputs.model);
  int64_t all = 0;
  for (const StoredPiece& piece : pieces)
    all += piece.rows * piece.columns;
  const InputMoments moments = moments_of(inputs, settings, engine, controls, report);
  MatrixRecords records;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const StoredPiece& piece = pieces[i];
    controls.progress({"compressing", piece.name, report.weights, all});
    std::optional<std::vector<uint8_t>> record = workshop.find(i, piece);
    const bool kept = record.has_value();
    if (!kept) {
      record = compress_piece(inputs, piece, i, settings, moments, engine.context().pool);
      workshop.keep(i, *record);
    }
    report.pieces.push_back({.name = piece.name,
                             .rows = piece.rows,
                             .columns = piece.columns,
                             .bytes = std::ssize(*record)});
    report.weights += piece.rows * piece.columns;
    report.coded_bytes += std::ssize(*record);
    controls.finished(report.pieces.back(), kept);
    records[piece.name] = std::move(*record);
  }
  return records;
}

nlohmann::ordered_json summary_json(nlohmann::ordered_json job, const CompressReport& report) {
  job["coded_weights"] = report.weights;
  job["coded_bytes"] = report.coded_bytes;
  return job;
}

}  // namespace

void CompressSettings::list(FieldList& fields) {
  fields.add("bits", bits,
             {.help = "bits per weight of the coded matrices, rows of zeros left out",
              .minimum = 0.5,
              .maximum = 12});
  fields.add("method", method, kMethodNames,
             {.help = "how weights become integers: rtn rounds each, gptq feeds errors on, "
                      "lll-babai and lll-kbest search a reduced lattice"});
  fields.add("calibration_tokens", calibration_tokens,
             {.help = "about so many tokens of the calibration text, spread over it",
              .unit = "tokens",
              .minimum = 1});
  fields.add("block", block,
             {.help = "columns per lattice; the cost of the reduction grows with its third power",
              .minimum = 1,
              .maximum = 256});
  fields.add("width", width,
             {.help = "lll-kbest: partial points kept; time grows with it",
              .minimum = 1,
              .maximum = 65536});
  fields.add("seed", seed, {.help = "seed of the rotations", .minimum = 0});
}

int64_t planned_compression_bytes(const Transformer& model, const ops::Context& context) {
  // H as it is read, damped, rotated, scaled and factored; the weights, rotated and as integers
  // three times (the best so far, the last try, the record's).
  constexpr int64_t kSquares = 5 * sizeof(double),
                    kPerWeight = 2 * sizeof(float) + 3 * sizeof(int32_t);
  int64_t matrix = 0;
  for (const StoredPiece& piece : matrices_of(model))
    matrix = std::max(
        matrix, piece.columns * piece.columns * kSquares + piece.rows * piece.columns * kPerWeight);
  const int64_t session =
      Session::planned_bytes(model, context, calibration_shape(model.config().context_length));
  return InputMoments::planned_bytes(model, context) + std::max(session, matrix);
}

fs::path unfinished_folder(const fs::path& out) {
  fs::path folder = fs::absolute(out).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  return folder += ".unfinished";
}

void require_no_model(const fs::path& out) {
  if (out.empty()) throw Error(ErrorKind::kUsage, "--out", "is empty", "name a new folder");
  std::error_code missing;
  if (fs::exists(fs::symlink_status(out, missing)))
    throw Error(ErrorKind::kUsage, out.string(), "exists already",
                "choose another --out or remove it");
}

void remove_finished_work(const fs::path& out) {
  if (out.empty()) return;
  const fs::path unfinished = unfinished_folder(out);
  const fs::path job = unfinished / kJobFile, summary = out / kCompressionFile;
  std::error_code kept;
  if (!fs::is_directory(unfinished, kept) || !fs::exists(summary, kept)) return;
  const bool cleared = holds_only(unfinished, {RunLock::file(unfinished)});
  if (!cleared && !(fs::exists(job, kept) && is_job_of(read_file(job), read_file(summary)))) return;
  {
    const RunLock lock(unfinished);
    clear_workshop(unfinished);
  }
  fs::remove(unfinished, kept);
}

CompressReport compress_model(const CompressInputs& inputs, const CompressSettings& settings,
                              const fs::path& out, const Engine& engine,
                              const CompressControls& controls) {
  remove_finished_work(out);
  require_no_model(out);
  if (inputs.model.config().embedding == nn::EmbeddingKind::kLattice)
    throw Error(ErrorKind::kUsage, "compress",
                "the embedding of this model is rounded to a lattice already",
                "train one with model.embedding=dense");
  require_available(
      "", "compressing this model", planned_compression_bytes(inputs.model, engine.context()),
      "compress it on a larger machine: what a model reads with is set by its widths");
  const nlohmann::ordered_json job = job_json(inputs, settings);
  nlohmann::ordered_json here = job;
  here[kInstructionSet] = engine.context().kernels.name;
  CompressReport report;
  const fs::path unfinished = unfinished_folder(out);
  {
    const Workshop workshop(unfinished, here.dump(2) + "\n");
    const MatrixRecords records =
        make_records(inputs, settings, workshop, engine, controls, report);
    AtomicFolder folder(unfinished / "model");
    save_model(folder.path(), inputs.model, inputs.weights, inputs.tokenizer, records);
    report.file_bytes = static_cast<int64_t>(fs::file_size(folder.path() / "model.safetensors"));
    write_file(folder.path() / kCompressionFile, summary_json(job, report).dump(2) + "\n");
    write_manifest(folder.path());
    folder.commit_to(fs::absolute(out));
    clear_workshop(unfinished);
  }
  std::error_code kept;
  fs::remove(unfinished, kept);
  return report;
}

void verify_compressed(const fs::path& folder) {
  verify_manifest(folder, {"config.json", "model.safetensors", std::string(kCompressionFile)},
                  "compress the model again");
}

}  // namespace cllm
