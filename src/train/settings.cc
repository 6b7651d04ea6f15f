#include "train/settings.h"

#include "base/error.h"
#include "optim/exact_sum.h"

namespace cllm {
namespace {

constexpr EnumName<TokenizerSettings::Kind> kTokenizerNames[] = {
    {TokenizerSettings::Kind::kAuto, "auto"},
    {TokenizerSettings::Kind::kByte, "byte"},
    {TokenizerSettings::Kind::kChar, "char"},
    {TokenizerSettings::Kind::kBpe, "bpe"}};
constexpr EnumName<OptimizerSettings::Kind> kOptimizerNames[] = {
    {OptimizerSettings::Kind::kAdamw, "adamw"},
    {OptimizerSettings::Kind::kSgd, "sgd"},
    {OptimizerSettings::Kind::kMuon, "muon"}};
constexpr EnumName<PrecisionSettings::Mode> kPrecisionNames[] = {
    {PrecisionSettings::Mode::kFp32, "fp32"},
    {PrecisionSettings::Mode::kBf16, "bf16"},
    {PrecisionSettings::Mode::kFp16, "fp16"}};
constexpr EnumName<ParallelSettings::Mode> kParallelNames[] = {
    {ParallelSettings::Mode::kAuto, "auto"},
    {ParallelSettings::Mode::kBatch, "batch"},
    {ParallelSettings::Mode::kOperation, "operation"}};
constexpr EnumName<ParallelSettings::Reduction> kReductionNames[] = {
    {ParallelSettings::Reduction::kTree, "tree"},
    {ParallelSettings::Reduction::kFixed, "fixed"},
    {ParallelSettings::Reduction::kSuper, "super"}};
constexpr EnumName<VocabularyOrder> kOrderNames[] = {{VocabularyOrder::kIdentity, "identity"},
                                                     {VocabularyOrder::kFrequency, "frequency"},
                                                     {VocabularyOrder::kUlam, "ulam"}};
constexpr EnumName<ops::TileOrder> kTileOrderNames[] = {{ops::TileOrder::kStraight, "straight"},
                                                        {ops::TileOrder::kHilbert, "hilbert"}};
constexpr EnumName<ops::TokenOrder> kTokenOrderNames[] = {{ops::TokenOrder::kBatch, "batch"},
                                                          {ops::TokenOrder::kSorted, "sorted"}};

// Bytes are their own ids, and a tokenizer that exists belongs to weights and tokens that know its
// ids.
void refuse_order(const RunSettings& settings) {
  const TokenizerSettings& tokenizer = settings.tokenizer;
  if (tokenizer.order == VocabularyOrder::kIdentity) return;
  if (settings.model.embedding == nn::EmbeddingKind::kComposite)
    throw Error(ErrorKind::kUsage, "tokenizer.order",
                "tokens of a composite embedding have no rows to be put in an order",
                "drop it, or choose another model.embedding");
  const bool bytes = tokenizer.kind == TokenizerSettings::Kind::kByte;
  if (!bytes && tokenizer.path.empty() && settings.train.init.empty()) return;
  throw Error(ErrorKind::kUsage, "tokenizer.order",
              bytes ? "the ids of a byte vocabulary are the bytes"
                    : "an existing tokenizer keeps the ids that it has",
              bytes ? "drop it, or choose tokenizer.kind = char or bpe"
                    : "drop it, or let the run make a tokenizer");
}

void refuse_sorted_tokens(const RunSettings& settings) {
  if (settings.parallel.token_order == ops::TokenOrder::kSorted &&
      settings.model.embedding == nn::EmbeddingKind::kComposite)
    throw Error(ErrorKind::kUsage, "parallel.token_order",
                "a composite embedding sums rows that tokens share, and cannot be sorted by token",
                "drop it, or choose another model.embedding");
}

}  // namespace

void TokenizerSettings::list(FieldList& fields) {
  fields.add(
      "kind", kind, kTokenizerNames,
      {.help =
           "kind of vocabulary to make; auto: char for up to 256 distinct characters, else bpe"});
  fields.add(
      "vocabulary_size", vocabulary_size,
      {.help = "size of a bpe vocabulary", .unit = "tokens", .minimum = 257, .maximum = 1 << 20});
  fields.add("path", path,
             {.help = "tokenizer.json, or a folder with one or with vocab.json and merges.txt, to "
                      "use instead"});
  fields.add("order", order, kOrderNames,
             {.help = "ids of the tokens of a vocabulary that is made, and so the order of the "
                      "rows of embedding and head; identity: as found; frequency: by count in the "
                      "training text; ulam: by count from the middle of Ulam's spiral outwards"});
}

void DataSettings::list(FieldList& fields) {
  fields.add(
      "train", train,
      {.help = "texts to learn from: files, folders, - for standard input, .bin token files"});
  fields.add("validation", validation,
             {.help = "held-out texts; empty takes the end of the training text"});
  fields.add("validation_fraction", validation_fraction,
             {.help = "share of the tokens, at the end, that is held out",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("stories", stories,
             {.help = "size of the built-in corpus of stories to learn from instead; 0 = off",
              .unit = "bytes",
              .minimum = 0});
}

void TrainSettings::list(FieldList& fields) {
  fields.add("steps", steps, {.help = "optimizer steps", .minimum = 1, .maximum = 4e9});
  fields.add("batch_size", batch_size,
             {.help = "sequences per forward and backward", .minimum = 1, .maximum = 1 << 20});
  fields.add("gradient_accumulation_steps", gradient_accumulation_steps,
             {.help = "batches whose gradients are averaged before the optimizer steps",
              .minimum = 1,
              .maximum = 1 << 20});
  fields.add(
      "recompute", recompute, kRecomputeNames,
      {.help = "what the backward computes again instead of keeping: less memory, more time"});
  fields.add("clip_norm", clip_norm,
             {.help = "largest norm of all gradients together; 0 = no clipping, which without "
                      "accumulation and shards saves the memory of the gradients",
              .minimum = 0});
  fields.add("ema_decay", ema_decay,
             {.help = "decay of an exponential average of the weights, which is then what is "
                      "evaluated, sampled and saved as the model; 0 = none",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("seed", seed, {.help = "seed of weights, shuffling and dropout", .minimum = 0});
  fields.add("threads", threads,
             {.help = "threads; 0 = as many as there are cores for this process",
              .minimum = 0,
              .maximum = 1024});
  fields.add("log_every", log_every, {.help = "steps between two log lines", .minimum = 1});
  fields.add("init", init,
             {.help = "a run, checkpoint or model folder, compressed or not, whose weights, shape "
                      "and tokenizer the run begins with; empty: fresh weights"});
}

void OptimizerSettings::list(FieldList& fields) {
  fields.add("kind", kind, kOptimizerNames,
             {.help = "optimizer; muon takes the matrices of the blocks and leaves the rest to "
                      "adamw"});
  fields.add("learning_rate", learning_rate,
             {.help = "peak learning rate", .minimum = 0, .above_minimum = true});
  fields.add("embedding_learning_rate", embedding_learning_rate,
             {.help = "peak learning rate of the embeddings",
              .minimum = 0,
              .above_minimum = true,
              .zero_word = "same"});
  fields.add("head_learning_rate", head_learning_rate,
             {.help = "peak learning rate of an output head of its own",
              .minimum = 0,
              .above_minimum = true,
              .zero_word = "same"});
  fields.add("beta1", beta1,
             {.help = "adamw: decay of the first moment",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("beta2", beta2,
             {.help = "adamw: decay of the second moment",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("epsilon", epsilon,
             {.help = "adamw: added to the denominator", .minimum = 0, .above_minimum = true});
  fields.add("momentum", momentum,
             {.help = "sgd: momentum", .minimum = 0, .maximum = 1, .below_maximum = true});
  fields.add("weight_decay", weight_decay, {.help = "decoupled decay of matrices", .minimum = 0});
  list_muon(fields);
}

void OptimizerSettings::list_muon(FieldList& fields) {
  fields.add("muon_learning_rate", muon_learning_rate,
             {.help = "muon: peak learning rate of the matrices of the blocks; it follows the "
                      "same course",
              .minimum = 0,
              .above_minimum = true});
  fields.add("muon_momentum", muon_momentum,
             {.help = "muon: momentum", .minimum = 0, .maximum = 1, .below_maximum = true});
  fields.add("muon_momentum_warmup", muon_momentum_warmup,
             {.help = "muon: steps in which the momentum rises from 0.85", .minimum = 0});
  fields.add("muon_weight_decay", muon_weight_decay,
             {.help = "muon: decoupled decay of the matrices of the blocks", .minimum = 0});
  fields.add("muon_cautious_decay", muon_cautious_decay,
             {.help = "muon: decay a weight only where its update shrinks it too"});
}

void PrecisionSettings::list(FieldList& fields) {
  fields.add("mode", mode, kPrecisionNames,
             {.help = "numbers of activations and products; weights, sums and optimizer are fp32"});
  fields.add("loss_scale", loss_scale,
             {.help = "fp16: what the loss is multiplied by before the backward pass",
              .minimum = 1,
              .maximum = optim::kLargestLossScale,
              .zero_word = "dynamic"});
}

ops::Storage PrecisionSettings::storage() const {
  switch (mode) {
    case Mode::kBf16:
      return ops::Storage::kBf16;
    case Mode::kFp16:
      return ops::Storage::kFp16;
    case Mode::kFp32:
      break;
  }
  return ops::Storage::kFp32;
}

void ParallelSettings::list(FieldList& fields) {
  fields.add(
      "mode", mode, kParallelNames,
      {.help = "operation: threads share every operation; batch: each computes a part of the "
               "batch; auto: what is faster at the start of the run, which may differ from run "
               "to run, and with it the last bits of results"});
  fields.add("shards", shards,
             {.help = "batch: parts of a batch, at most one per sequence, each with gradients of "
                      "its own; results depend on their number, not on that of the threads, of "
                      "which no more can be busy",
              .minimum = 1,
              .maximum = 1024});
  fields.add(
      "reduction", reduction, kReductionNames,
      {.help =
           "batch: how gradients are added up; tree: by shards, in a fixed order; fixed, super: "
           "by sequences, exactly, so that results depend on the sequences of a step, not on "
           "how batch_size, gradient_accumulation_steps and shards cut it; fixed keeps the "
           "highest 40 to 80 bits, super all"});
  fields.add("tile_order", tile_order, kTileOrderNames,
             {.help = "order of the tasks of matrix products and attention: straight or along "
                      "Hilbert's curve; changes no bit of a result"});
  fields.add(
      "token_order", token_order, kTokenOrderNames,
      {.help = "order in which a batch's rows of the token table are gathered, and its "
               "gradients and those of n-gram tables added up: as the tokens come or sorted; "
               "changes no bit of a result; not of a composite embedding"});
}

void ScheduleSettings::list(FieldList& fields) {
  fields.add("lr_scheduler", lr_scheduler, optim::kScheduleNames,
             {.help = "course of the learning rate after the warm-up"});
  fields.add("warmup_steps", warmup_steps, {.help = "steps of linear warm-up", .minimum = 0});
  fields.add("min_learning_rate", min_learning_rate,
             {.help = "where the course ends", .minimum = 0});
  fields.add("step_every", step_every,
             {.help = "step: steps between two reductions", .minimum = 1});
  fields.add(
      "step_factor", step_factor,
      {.help = "step: factor of a reduction", .minimum = 0, .maximum = 1, .above_minimum = true});
  fields.add(
      "decay_share", decay_share,
      {.help = "wsd: share of the steps, at the end, that decays", .minimum = 0, .maximum = 1});
}

void EvaluationSettings::list(FieldList& fields) {
  fields.add("every", every,
             {.help = "steps between evaluations on held-out text; the end is always evaluated",
              .minimum = 1});
  fields.add("windows", windows,
             {.help = "held-out windows per evaluation; 0 = all", .minimum = 0});
  fields.add(
      "patience", patience,
      {.help = "stop after so many evaluations without improvement; 0 = never", .minimum = 0});
}

void CheckpointSettings::list(FieldList& fields) {
  fields.add("every", every,
             {.help = "steps between checkpoints; the end is always saved", .minimum = 1});
  fields.add("keep", keep,
             {.help = "newest checkpoints to keep; the best is kept beside them", .minimum = 1});
}

void SampleSettings::list(FieldList& fields) {
  fields.add("every", every, {.help = "steps between samples; 0 = none", .minimum = 0});
  fields.add("prompt", prompt, {.help = "beginning of every sample"});
  fields.add("tokens", tokens,
             {.help = "length of a sample", .unit = "tokens", .minimum = 1, .maximum = 1 << 20});
}

void RunSettings::bind(SettingsBinder& binder) {
  binder.add_section("model", model, "what the network looks like");
  binder.add_section("tokenizer", tokenizer, "how text becomes tokens");
  binder.add_section("data", data, "what it learns from");
  binder.add_section("train", train, "how long and how wide");
  binder.add_section("precision", precision, "in which numbers it is computed");
  binder.add_section("parallel", parallel, "how threads share the work");
  binder.add_section("optimizer", optimizer, "how weights follow gradients");
  binder.add_section("schedule", schedule, "how the learning rate changes");
  binder.add_section("evaluation", evaluation, "how it is judged on held-out text");
  binder.add_section("checkpoint", checkpoint, "when it is saved");
  binder.add_section("sample", sample, "samples during training");
  binder.add_section("sampling", sampling, "how tokens are drawn");
}

optim::Schedule RunSettings::learning_rate_schedule() const {
  return {.kind = schedule.lr_scheduler,
          .peak = optimizer.learning_rate,
          .minimum = schedule.min_learning_rate,
          .warmup_steps = schedule.warmup_steps,
          .total_steps = train.steps,
          .step_every = schedule.step_every,
          .step_factor = schedule.step_factor,
          .wsd_decay_share = schedule.decay_share};
}

optim::LossScaling RunSettings::loss_scaling() const {
  if (precision.mode != PrecisionSettings::Mode::kFp16) return {};
  return {.dynamic = precision.loss_scale == 0, .fixed = precision.loss_scale};
}

bool RunSettings::updates_in_backward() const {
  return train.clip_norm == 0 && train.gradient_accumulation_steps == 1 &&
         precision.mode != PrecisionSettings::Mode::kFp16 &&
         parallel.mode == ParallelSettings::Mode::kOperation;
}

void RunSettings::validate_reduction() const {
  if (!parallel.exact()) return;
  if (parallel.mode != ParallelSettings::Mode::kBatch)
    throw Error(ErrorKind::kUsage, "parallel.reduction",
                "exact sums need the gradient of each sequence by itself, which only "
                "parallel.mode = batch computes",
                "set parallel.mode=batch too, or leave the reduction at tree");
  if (train.batch_size * train.gradient_accumulation_steps > optim::ExactSum::kMostTerms)
    throw Error(ErrorKind::kUsage, "train.batch_size",
                fmt::format("{} times {} batches are more sequences than an exact sum can hold",
                            train.batch_size, train.gradient_accumulation_steps),
                fmt::format("choose at most {} sequences per step, or parallel.reduction=tree",
                            optim::ExactSum::kMostTerms));
}

void RunSettings::validate_training() const {
  validate_reduction();
  refuse_order(*this);
  refuse_sorted_tokens(*this);
  if (precision.loss_scale != 0 && precision.mode != PrecisionSettings::Mode::kFp16)
    throw Error(ErrorKind::kUsage, "precision.loss_scale", "only precision.mode = fp16 has one",
                "drop it or choose fp16");
  if (optimizer.head_learning_rate != 0 && model.tied_head)
    throw Error(ErrorKind::kUsage, "optimizer.head_learning_rate",
                "the head is the token embedding (model.tied_head)",
                "give optimizer.embedding_learning_rate or untie the head");
  if (schedule.lr_scheduler != optim::ScheduleKind::kConstant &&
      schedule.min_learning_rate > optimizer.learning_rate)
    throw Error(ErrorKind::kUsage, "schedule.min_learning_rate",
                fmt::format("{} is above optimizer.learning_rate = {}", schedule.min_learning_rate,
                            optimizer.learning_rate),
                "lower it or raise the peak");
}

void RunSettings::validate() const {
  validate_training();
  if (data.stories > 0 && !(data.train.empty() && data.validation.empty()))
    throw Error(ErrorKind::kUsage, "data.stories",
                "the built-in corpus cannot be mixed with other texts",
                "drop data.stories or the texts");
  if (data.stories == 0 && data.train.empty())
    throw Error(ErrorKind::kUsage, "data.train", "there is nothing to learn from",
                "give --data PATH, or --data stories for the built-in corpus");
}

}  // namespace cllm
