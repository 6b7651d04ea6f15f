// Pointers to activations whose element type is known at run time: fp32, bf16 or fp16. An operation
// takes Values and calls the kernels of that type; fp32 pointers convert by themselves. Offsets
// count elements. Not owning.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/check.h"
#include "kernels/storage.h"

namespace cllm::ops {

using kernels::Bf16;
using kernels::Fp16;
using kernels::Storage;

template <bool kConst>
class BasicValues {
  template <class T>
  using Maybe = std::conditional_t<kConst, const T, T>;

 public:
  BasicValues() = default;
  BasicValues(std::nullptr_t) {}
  BasicValues(Maybe<float>* data) : data_(data) {}
  BasicValues(Maybe<Bf16>* data) : data_(data), storage_(Storage::kBf16) {}
  BasicValues(Maybe<Fp16>* data) : data_(data), storage_(Storage::kFp16) {}
  BasicValues(Maybe<void>* data, Storage storage) : data_(data), storage_(storage) {}
  // Mutable values are also constant ones.
  template <bool kOther, class = std::enable_if_t<kConst && !kOther>>
  BasicValues(const BasicValues<kOther>& other) : data_(other.data()), storage_(other.storage()) {}

  Maybe<void>* data() const { return data_; }
  Storage storage() const { return storage_; }
  // The typed pointer; asking for another type than the stored one is a CHECK.
  template <class S>
  Maybe<S>* as() const {
    CHECK(data_ == nullptr || storage_ == kernels::kStorageOf<S>);
    return static_cast<Maybe<S>*>(data_);
  }

  explicit operator bool() const { return data_ != nullptr; }
  friend bool operator==(const BasicValues& a, const BasicValues& b) { return a.data_ == b.data_; }
  BasicValues operator+(int64_t elements) const {
    using Byte = Maybe<unsigned char>;
    if (data_ == nullptr) return *this;
    return {static_cast<Byte*>(data_) + elements * kernels::storage_bytes(storage_), storage_};
  }
  BasicValues& operator+=(int64_t elements) { return *this = *this + elements; }

 private:
  Maybe<void>* data_ = nullptr;
  Storage storage_ = Storage::kFp32;
};

using Values = BasicValues<false>;
using ConstValues = BasicValues<true>;

template <class S>
struct StorageTag {
  using Type = S;
};

// body(StorageTag<S>{}) with the S of `storage`.
template <class Body>
decltype(auto) with_storage(Storage storage, Body&& body) {
  switch (storage) {
    case Storage::kBf16:
      return body(StorageTag<Bf16>{});
    case Storage::kFp16:
      return body(StorageTag<Fp16>{});
    case Storage::kFp32:
      break;
  }
  return body(StorageTag<float>{});
}

}  // namespace cllm::ops
