#include "ops/profile.h"

#include <algorithm>

#include "base/clock.h"

namespace cllm::ops {

void ProfileScope::begin() {
  profile_->inside_ = true;
  start_ = steady_seconds();
}

void ProfileScope::end() {
  const double seconds = steady_seconds() - start_;
  auto& entries = profile_->entries_;
  auto entry = std::find_if(entries.begin(), entries.end(),
                            [&](const Profile::Entry& known) { return known.name == name_; });
  if (entry == entries.end()) entry = entries.insert(entries.end(), {name_, 0, 0});
  entry->seconds += seconds;
  ++entry->calls;
  profile_->inside_ = false;
}

}  // namespace cllm::ops
