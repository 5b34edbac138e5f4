// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Checks logs of edges against spec/channel.table; says how often each edge was
// taken in all of them, one "edge NAME COUNT" a line.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/conformance/edge_log_checker.h"

namespace lauberhorn::conformance {
namespace {

constexpr char kHelp[] =
    "usage: check_edge_logs LOG...\n"
    "Checks logs that programs of the `conformance` build wrote. Exits with 1\n"
    "if one of them breaks the contract, with 2 if one is no log.\n";

constexpr const char* kNames[] = {
#define LAUBERHORN_EDGE(number, name, lane, by, from, to, step) #name,
    LH_EDGE_TABLE(LAUBERHORN_EDGE)
#undef LAUBERHORN_EDGE
};

using Counts = std::array<std::uint64_t, LH_EDGES>;

int Fail(const char* path, const char* why) {
  std::fprintf(stderr, "%s: %s\n", path, why);
  return 2;
}

int Check(const char* path, Counts* counts) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) {
    return Fail(path, std::strerror(errno));
  }
  const std::size_t size = static_cast<std::size_t>(status.st_size);
  lh_edge_log_head head;
  if (size < sizeof(head)) return Fail(path, "no log of edges");
  void* const memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return Fail(path, std::strerror(errno));
  std::memcpy(&head, memory, sizeof(head));
  if (head.magic != LH_EDGE_LOG_MAGIC ||
      head.places > (size - sizeof(head)) / sizeof(lh_edge_log_record)) {
    return Fail(path, "no log of edges");
  }
  EdgeLogChecker checker;
  const std::uint64_t count = std::min(head.next, head.places);
  std::uint64_t missing = 0;
  const auto* const bytes =
      static_cast<const char*>(memory) + sizeof(lh_edge_log_head);
  for (std::uint64_t at = 0; at < count; ++at) {
    lh_edge_log_record record;
    std::memcpy(&record, bytes + at * sizeof(record), sizeof(record));
    if (record.what == 0) {
      ++missing;  // its writer was ended
    } else {
      checker.Add(record);
    }
  }
  const bool whole =
      head.ended != 0 && head.next <= head.places && missing == 0;
  checker.Finish(whole);
  munmap(memory, size);
  if (head.next > head.places) {
    std::printf("%s: full; %llu edges after it were not looked at\n", path,
                static_cast<unsigned long long>(head.next - head.places));
  }
  for (std::size_t edge = 0; edge < LH_EDGES; ++edge) {
    (*counts)[edge] += checker.taken()[edge];
  }
  for (const std::string& error : checker.errors()) {
    std::printf("%s: %s\n", path, error.c_str());
  }
  return checker.errors().empty() ? 0 : 1;
}

}  // namespace
}  // namespace lauberhorn::conformance

int main(int argc, char** argv) {
  using lauberhorn::conformance::Check;
  using lauberhorn::conformance::Counts;
  if (argc < 2 || std::strcmp(argv[1], "--help") == 0) {
    std::fputs(lauberhorn::conformance::kHelp, argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
  Counts counts = {};
  int result = 0;
  for (int at = 1; at < argc; ++at) {
    result = std::max(result, Check(argv[at], &counts));
  }
  for (std::size_t edge = 0; edge < LH_EDGES; ++edge) {
    std::printf("edge %s %llu\n", lauberhorn::conformance::kNames[edge],
                static_cast<unsigned long long>(counts[edge]));
  }
  return result;
}
