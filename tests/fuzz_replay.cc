// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// In the place of a fuzzer: gives the files of the folder that is its argument
// to LLVMFuzzerTestOneInput, one after the other. Whatever a fuzzer has found
// stays found so, without its compiler. A single file works as well.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace {

// Sorted, so that every run is the same.
std::vector<std::filesystem::path> Inputs(const std::filesystem::path& where) {
  if (!std::filesystem::is_directory(where)) return {where};
  std::vector<std::filesystem::path> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(where)) {
    if (entry.is_regular_file()) inputs.push_back(entry.path());
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

void Replay(const std::filesystem::path& input) {
  // Said before: it is the last line of a run that fails.
  std::printf("%s\n", input.c_str());
  std::fflush(stdout);
  std::ifstream file(input, std::ios::binary);
  file.exceptions(std::ios::badbit);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  // A copy of just its size: a read behind its end is noticed.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER|FILE\n", argv[0]);
    return 2;
  }
  try {
    const std::vector<std::filesystem::path> inputs = Inputs(argv[1]);
    for (const std::filesystem::path& input : inputs) Replay(input);
    std::printf("%zu inputs replayed\n", inputs.size());
    return inputs.empty() ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
