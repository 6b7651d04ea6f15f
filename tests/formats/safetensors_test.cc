#include "formats/safetensors.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using Safetensors = TemporaryFolder;

// A file with the given header text and data, as a hostile writer would make it.
std::string file_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

// The Error that opening `bytes` gives, or "" if it opens.
std::string open_error(const fs::path& path, const std::string& bytes) {
  // Not write_file, nor truncation: thousands of these would wait for the disk.
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    const SafetensorsFile file(path);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    const std::string text = error.what();
    EXPECT_NE(text.find(path.string()), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    return text;
  }
}

template <class T>
StoredTensor stored(DType dtype, const std::vector<T>& values) {
  StoredTensor tensor;
  tensor.dtype = dtype;
  tensor.elements = values.size();
  tensor.data = reinterpret_cast<const std::byte*>(values.data());
  return tensor;
}

TEST_F(Safetensors, WriterThenReaderGivesTheSameTensors) {
  const std::vector<float> matrix = {1, 2, 3, 4, 5, 6};
  const std::vector<double> scalar = {0.1};
  const std::vector<int64_t> ids = {-1, 7};
  const std::vector<uint8_t> flags = {1, 0, 1};
  SafetensorsWriter writer;
  writer.add("flags", DType::kBool, {3}, flags.data());
  writer.add("matrix", DType::kF32, {2, 3}, matrix.data());
  writer.add("ids", DType::kI64, {2}, ids.data());
  writer.add("scalar", DType::kF64, {}, scalar.data());
  writer.add("nothing", DType::kF32, {0, 5}, nullptr);
  const fs::path path = folder_ / "a.safetensors";
  writer.write(path);

  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(file.tensors().size(), 5u);
  for (size_t i = 1; i < 5; ++i)
    EXPECT_LT(file.tensors()[i - 1].name, file.tensors()[i].name);
  const StoredTensor* found = file.find("matrix");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->shape, (std::vector<int64_t>{2, 3}));
  std::vector<float> back(6);
  copy_as_float(*found, back);
  EXPECT_EQ(back, matrix);
  ASSERT_EQ(file.find("scalar")->elements, 1u);
  double value = 0;
  copy_as_double(*file.find("scalar"), {&value, 1});
  EXPECT_EQ(value, 0.1);
  EXPECT_EQ(std::memcmp(file.find("ids")->data, ids.data(), 16), 0);
  EXPECT_EQ(std::memcmp(file.find("flags")->data, flags.data(), 3), 0);
  EXPECT_EQ(file.find("nothing")->bytes, 0u);
  EXPECT_EQ(file.find("matri"), nullptr);
  EXPECT_EQ(file.find("zzz"), nullptr);
}

TEST_F(Safetensors, BytesDoNotDependOnTheOrderOfDeclarationAndTensorsAreAligned) {
  const std::vector<double> wide = {1, 2, 3};
  const std::vector<float> narrow = {4, 5, 6};
  const uint8_t one = 1;
  SafetensorsWriter first;
  first.add("odd", DType::kU8, {1}, &one);
  first.add("b", DType::kF32, {3}, narrow.data());
  first.add("a", DType::kF64, {3}, wide.data());
  SafetensorsWriter second;
  second.add("a", DType::kF64, {3}, wide.data());
  second.add("b", DType::kF32, {3}, narrow.data());
  second.add("odd", DType::kU8, {1}, &one);
  first.write(folder_ / "1");
  second.write(folder_ / "2");
  EXPECT_EQ(read_file(folder_ / "1"), read_file(folder_ / "2"));
  const SafetensorsFile file(folder_ / "1");
  for (const StoredTensor& tensor : file.tensors())
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data) % dtype_bytes(tensor.dtype), 0u);
  // The map is page-aligned, so this is the offset in the file.
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.find("a")->data) % 64, 0u);
}

// The same bytes as the same tensor given as data, in slices that bound the memory.
TEST_F(Safetensors, FillFunctionWritesSlicesOfTheStoredForm) {
  std::vector<double> stored(300'001);
  for (size_t i = 0; i < stored.size(); ++i)
    stored[i] = static_cast<double>(i);
  const auto* bytes = reinterpret_cast<const std::byte*>(stored.data());
  const auto size = static_cast<int64_t>(stored.size());
  SafetensorsWriter whole, sliced;
  size_t next = 0, most = 0;
  whole.add("x", DType::kF64, {size}, stored.data());
  sliced.add("x", DType::kF64, {size}, [&](size_t first, std::span<std::byte> to) {
    EXPECT_EQ(first, next);
    EXPECT_EQ(to.size() % sizeof(double), 0u);
    std::memcpy(to.data(), bytes + first, to.size());
    next = first + to.size();
    most = std::max(most, to.size());
  });
  whole.add("none", DType::kF32, {0, 3}, nullptr);
  sliced.add("none", DType::kF32, {0, 3}, [](size_t, std::span<std::byte>) { FAIL(); });
  whole.write(folder_ / "whole");
  sliced.write(folder_ / "sliced");
  EXPECT_EQ(next, stored.size() * sizeof(double));
  EXPECT_LE(most, size_t{1} << 20);
  EXPECT_EQ(read_file(folder_ / "sliced"), read_file(folder_ / "whole"));
}

TEST_F(Safetensors, WriterLeavesTheOldFileWhenItCannotWrite) {
  SafetensorsWriter writer;
  try {
    writer.write(folder_ / "missing" / "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
  }
}

// Every half is a float exactly; the reference is the definition of binary16, in double.
TEST_F(Safetensors, EveryHalfAndBfloatBecomesItsFloat) {
  std::vector<uint16_t> bits(65536);
  for (size_t i = 0; i < bits.size(); ++i)
    bits[i] = static_cast<uint16_t>(i);
  std::vector<float> half(bits.size());
  std::vector<float> bfloat(bits.size());
  copy_as_float(stored(DType::kF16, bits), half);
  copy_as_float(stored(DType::kBF16, bits), bfloat);
  for (uint32_t i = 0; i < 65536; ++i) {
    const int exponent = (i >> 10) & 31;
    const double fraction = (i & 1023) / 1024.0;
    const double sign = (i & 0x8000) != 0 ? -1 : 1;
    if (exponent == 31 && fraction != 0) {
      ASSERT_TRUE(std::isnan(half[i]));
    } else {
      const double expected = exponent == 31  ? sign * std::numeric_limits<double>::infinity()
                              : exponent == 0 ? sign * std::ldexp(fraction, -14)
                                              : sign * std::ldexp(1 + fraction, exponent - 15);
      ASSERT_EQ(half[i], expected) << i;
      ASSERT_EQ(std::signbit(half[i]), sign < 0);
    }
    ASSERT_EQ(std::bit_cast<uint32_t>(bfloat[i]), i << 16);
  }
}

TEST_F(Safetensors, CopyRefusesIntegers) {
  const std::vector<int32_t> values = {1};
  float value = 0;
  EXPECT_THROW(copy_as_float(stored(DType::kI32, values), {&value, 1}), Error);
}

TEST_F(Safetensors, RequireShapeNamesBothShapes) {
  StoredTensor tensor;
  tensor.name = "w";
  tensor.shape = {2, 3};
  const std::vector<int64_t> right = {2, 3};
  const std::vector<int64_t> wrong = {3, 2};
  require_shape(tensor, right);
  try {
    require_shape(tensor, wrong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("[2, 3], expected [3, 2]"), std::string::npos);
  }
}

struct Hostile {
  const char* header;
  const char* expected;  // a part of the message
};

TEST_F(Safetensors, HostileHeadersAreRefusedWithTheReason) {
  const std::string data(8, 'x');
  const Hostile cases[] = {
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       "twice"},
      {R"({"a":{"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]}})", "twice"},
      {R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", "F33"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "needs 12"},
      {R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "non-negative"},
      {R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", "non-negative"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}})",
       "non-negative"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}})",
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})",
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "do not lie"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", "do not lie"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})",
       "do not lie"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", "[begin, end]"},
      {R"({"a":{"dtype":"F32","shape":[2]}})", "entry"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})", "entry"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "file has 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "begins at data byte 4"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "begins at data byte 4, expected 8"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"x":1}})",
       "not a string"},
      {R"({"a":7})", "entry"},
      {R"({"a":[[[[[[[[[[[[]]]]]]]]]]]]})", "nested"},
      {R"({"a":1e999})", "out of range"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x)", "not valid at its byte"},
      {R"([])", "does not begin"},
      {R"()", "does not begin"},
      {"{\"a\xff\":1}", "not valid at its byte"},
  };
  for (const Hostile& hostile : cases) {
    const std::string text = open_error(folder_ / "h", file_bytes(hostile.header, data));
    EXPECT_NE(text.find(hostile.expected), std::string::npos) << hostile.header << "\n" << text;
  }
}

TEST_F(Safetensors, HeaderLengthIsCheckedBeforeUse) {
  for (const uint64_t length : {uint64_t{9}, uint64_t{100'000'001}, ~uint64_t{0}, ~uint64_t{7}}) {
    std::string bytes = file_bytes("{}      ", "");
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_NE(open_error(folder_ / "l", bytes), "") << length;
  }
  EXPECT_EQ(open_error(folder_ / "l", file_bytes("{}      ", "")), "");
  EXPECT_NE(open_error(folder_ / "l", ""), "");
}

// A damaged file gives an Error or a valid parse (a flip may make another valid name), never a
// crash or a read outside the file (the sanitizer builds would see it).
TEST_F(Safetensors, TruncationsAndBitFlipsNeverCrash) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  SafetensorsWriter writer;
  writer.add("w", DType::kF32, {2, 3}, values.data());
  writer.add("v", DType::kF16, {2}, values.data());
  const fs::path path = folder_ / "f";
  writer.write(path);
  const std::string good = read_file(path);
  const size_t header_end = good.size() - 28;
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(open_error(path, good.substr(0, size)), "") << size;
  EXPECT_NE(open_error(path, good + "x"), "");
  for (size_t i = 0; i < header_end; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      if (open_error(path, bad) != "") continue;
      const SafetensorsFile file(path);
      size_t bytes = 0;
      for (const StoredTensor& tensor : file.tensors())
        bytes += tensor.bytes;
      EXPECT_EQ(bytes, 28u);
    }
  }
}

TEST_F(Safetensors, ReadsFilesOfOtherSoftware) {
  const fs::path golden = fs::path(CLLM_GOLDEN_FOLDER) / "llama-tiny";
  const SafetensorsFile model(golden / "model.safetensors");
  EXPECT_EQ(model.metadata().at("format"), "pt");
  const StoredTensor* head = model.find("lm_head.weight");
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(head->shape, (std::vector<int64_t>{259, 64}));
  std::vector<float> values(head->elements);
  copy_as_float(*head, values);
  double sum = 0;
  for (const float value : values)
    sum += std::abs(static_cast<double>(value));
  // Initialised as N(0, 0.02) or so: plain weights, not bytes read at a wrong offset.
  EXPECT_TRUE(sum / static_cast<double>(values.size()) > 1e-3 &&
              sum / static_cast<double>(values.size()) < 1)
      << sum;
  const SafetensorsFile batch(golden / "batch.safetensors");
  EXPECT_EQ(batch.find("tokens")->dtype, DType::kI32);
  EXPECT_EQ(SafetensorsFile(golden / "expected.safetensors").tensors().front().dtype, DType::kF64);
}

}  // namespace
}  // namespace cllm
