// Where the time of a piece of work goes, by operation. A Context may carry one; without it a scope
// costs one comparison.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cllm::ops {

// Not thread-safe: operations are called from one thread.
class Profile {
 public:
  struct Entry {
    std::string_view name;
    double seconds = 0;
    int64_t calls = 0;
  };
  // In the order of their first call.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  friend class ProfileScope;
  std::vector<Entry> entries_;
  bool inside_ = false;
};

// Adds its lifetime to the profile's entry of this name, which must outlive the profile (a string
// literal). Inside another scope it does nothing, so that no time counts twice.
class ProfileScope {
 public:
  ProfileScope(Profile* profile, std::string_view name)
      : profile_(profile == nullptr || profile->inside_ ? nullptr : profile), name_(name) {
    if (profile_ != nullptr) begin();
  }
  ~ProfileScope() {
    if (profile_ != nullptr) end();
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  void begin();
  void end();

  Profile* profile_;
  std::string_view name_;
  double start_ = 0;
};

}  // namespace cllm::ops
