// Checkpoints of a run: checkpoints/step-NNNNNN/ is a model folder (model/model_folder.h) with
// optimizer.safetensors, state.json and manifest.json (size and xxHash64 of every file). Built
// under a temporary name, fsynced, renamed; older ones are removed only when the new one stands.
// With train.ema_decay the model is the average of the weights, because that is what was evaluated
// and what everybody who reads the folder wants; the weights themselves, which only a resumed run
// needs, lie in optimizer.safetensors as "weights.NAME".
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/log.h"
#include "data/loader.h"
#include "model/model_folder.h"
#include "optim/loss_scale.h"
#include "runlog/run_folder.h"

namespace cllm {

// Everything besides weights and moments that decides how a run goes on. No times: equal runs write
// equal bytes.
struct TrainingState {
  int64_t step = 0;         // optimizer steps done
  int64_t micro_steps = 0;  // forward passes done; the dropout counter
  int64_t tokens = 0;       // trained on
  uint64_t data_hash = 0;   // of those tokens: a chain over the sequences in their order
  LoaderState loader;
  optim::LossScaleState loss_scale;
  double best_loss = std::numeric_limits<double>::infinity();  // of evaluations so far
  int64_t best_step = -1;
  int64_t evaluations_since_best = 0;
  bool stopped_early = false;
  // What is due at this step and was given up for a stop: a run that goes on does it first.
  bool evaluation_owed = false, sample_owed = false;
};

// Arenas of the optimizer by name ("first_moment", ...).
struct NamedArena {
  std::string name;
  float* data = nullptr;
  // Where each parameter of the table lies, -1 = it has no place here. Empty: as in the weights.
  std::vector<int64_t> offsets = {};
};

struct CheckpointContents {
  const Transformer& model;
  const Tokenizer& tokenizer;
  float* weights;  // of model.safetensors: what was evaluated, which may be an average
  std::vector<NamedArena> moments;
};

// Calls body(parameter, its elements in the arena) for every parameter that has a place in it.
template <class Body>
void for_each_part(const ParameterTable& table, const NamedArena& arena, Body body) {
  for (size_t i = 0; i < table.all().size(); ++i) {
    const Parameter& parameter = table.all()[i];
    const int64_t offset = arena.offsets.empty() ? parameter.offset : arena.offsets[i];
    if (offset >= 0) body(parameter, arena.data + offset);
  }
}

// Writes checkpoints/step-N, points `latest` to it, and `best` too if state.best_step is this step;
// then removes all but the newest `keep` and the best. A checkpoint of this step that is already
// there is replaced. Error (kRuntime), with the older ones untouched, if it cannot be written.
void save_checkpoint(const RunFolder& run, const CheckpointContents& contents,
                     const TrainingState& state, int64_t keep);

// Error (kData) that names the first file that is missing, of the wrong size, or whose checksum
// differs.
void verify_checkpoint(const fs::path& folder);

// Whether the run ever got as far as a checkpoint; it may be gone by now.
bool had_checkpoint(const RunFolder& run);

// The newest checkpoint of the run that passes verify_checkpoint; damaged ones are reported through
// `log` and passed over. Error (kData) if there is none.
fs::path find_good_checkpoint(const RunFolder& run, Log& log);

// The state in a checkpoint that was verified. Error (kData).
TrainingState read_state(const fs::path& folder);

// contents.weights and moments = the checkpoint's; returns the state. The folder must be verified.
TrainingState load_checkpoint(const fs::path& folder, const CheckpointContents& contents);

// Points `latest` and `best` to the checkpoints that `state`, of the newest good one, names: a
// crash can come between a checkpoint and its links.
void restore_links(const RunFolder& run, const TrainingState& state);

// A RUN argument: a run folder (its best good checkpoint is chosen: `best` if it stands, else the
// newest), a checkpoint folder, or any model folder. Checkpoints are verified.
fs::path resolve_model_folder(const fs::path& argument, Log& log);

}  // namespace cllm
