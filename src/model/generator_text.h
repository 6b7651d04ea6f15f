// From the bytes of generated tokens to text: whole characters, nothing of a stop string.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/utf8_stream.h"

namespace cllm {

// Receives text as it becomes certain: whole UTF-8 characters, nothing that may still become part
// of a stop string. Returning false ends the generation.
using TextSink = std::function<bool(std::string_view)>;

// Holds back text that may be the beginning of a stop string. stop must outlive it.
class StopFilter {
 public:
  explicit StopFilter(const std::vector<std::string>& stop) : stop_(stop) {}

  // Adds text; returns what is certain now. Sets stopped() if a stop string is complete.
  std::string add(std::string_view text) {
    held_ += text;
    size_t first = std::string::npos;
    for (const std::string& stop : stop_)
      if (!stop.empty()) first = std::min(first, held_.find(stop));
    if (first != std::string::npos) {
      stopped_ = true;
      held_.resize(first);
      return take(held_.size());
    }
    return take(held_.size() - longest_partial());
  }
  std::string rest() { return take(held_.size()); }
  bool stopped() const { return stopped_; }

 private:
  std::string take(size_t bytes) {
    std::string text = held_.substr(0, bytes);
    held_.erase(0, bytes);
    return text;
  }
  // The longest suffix of the held text that begins a stop string.
  size_t longest_partial() const {
    size_t longest = 0;
    for (const std::string& stop : stop_)
      for (size_t bytes = std::min(held_.size(), stop.size()); bytes > longest; --bytes)
        if (std::string_view(held_).substr(held_.size() - bytes) ==
            std::string_view(stop).substr(0, bytes))
          longest = bytes;
    return longest;
  }

  const std::vector<std::string>& stop_;
  std::string held_;
  bool stopped_ = false;
};

// The way of a token's bytes to the sink: whole characters, then what is certain of them.
class TextOut {
 public:
  TextOut(const std::vector<std::string>& stop, TextSink sink)
      : filter_(stop), sink_(std::move(sink)) {}

  void add(std::string_view bytes) { emit(filter_.add(characters_.push(bytes))); }
  // What was held back; nothing after a stop string or when the sink wants no more.
  void finish() {
    if (closed()) return;
    emit(filter_.add(characters_.flush()));
    emit(filter_.rest());
  }
  bool refused() const { return refused_; }
  bool stopped() const { return filter_.stopped(); }
  bool closed() const { return refused() || stopped(); }
  const std::string& text() const { return text_; }

 private:
  void emit(const std::string& text) {
    text_ += text;
    if (!text.empty() && !sink_(text)) refused_ = true;
  }

  Utf8Streamer characters_;
  StopFilter filter_;
  TextSink sink_;
  std::string text_;
  bool refused_ = false;
};

}  // namespace cllm
