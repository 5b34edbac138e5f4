// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/stay.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "abi/host/device.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "librpc/endpoint.h"
#include "librpc/kernel_device.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn::serve {
namespace {

constexpr std::size_t kPage = 4096;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

// The file by which this process is attached.
int OwnFile() {
  for (const auto& file :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(file, error) == kKernelDevicePath) {
      return std::stoi(file.path().filename());
    }
  }
  Die("not attached");
}

// A word that whoever reads it waits for, for ever.
std::uint64_t MissingWord() {
  const int file = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
  uffdio_api api = {};
  api.api = UFFD_API;
  void* const page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uffdio_register missing = {};
  missing.range = {reinterpret_cast<std::uintptr_t>(page), kPage};
  missing.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (file < 0 || ioctl(file, UFFDIO_API, &api) != 0 || page == MAP_FAILED ||
      ioctl(file, UFFDIO_REGISTER, &missing) != 0) {
    Die("no userfaultfd");
  }
  return reinterpret_cast<std::uintptr_t>(page);
}

std::uint32_t OwnEndpoint(Runtime& runtime) {
  Connection* connection = nullptr;
  const auto endpoint = RuntimeImpl::From(runtime).ThisThread(&connection);
  if (!endpoint.ok()) Die("no endpoint");
  return lh_handle_index((*endpoint)->handle());
}

void SayWhere() {
  std::printf("stays %ld\n", syscall(SYS_gettid));
  std::fflush(stdout);
}

}  // namespace

void Stay(Runtime& runtime, ServerCall& call, absl::string_view how) {
  if (how == "computes") {
    SayWhere();
    for (volatile bool on = true; on;) {
    }
  }
  if (how == "replies") {
    std::uint8_t* const reply = call.ReserveReply(64);
    for (int at = 0; at < 64; ++at) reply[at] = 'r';
    SayWhere();
    for (;;) pause();
  }
  if (how == "parks") {
    lh_device_park park = {};
    park.word = MissingWord();
    park.parked = 1;
    park.endpoint = OwnEndpoint(runtime);
    const int file = OwnFile();
    SayWhere();
    // A RUN that was remembered ends it at once.
    while (ioctl(file, LH_DEVICE_PARK, &park) == 0) {
    }
    Die("PARK failed");
  }
  if (how == "holds") {
    SayWhere();
    while (!call.IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
    return;
  }
  SayWhere();
  std::_Exit(0);
}

std::string Inverted(absl::string_view text) {
  std::string inverted(text);
  for (char& byte : inverted) byte = static_cast<char>(byte ^ 1);
  return inverted;
}

int CountInOwnPart(absl::string_view inverted) {
  int count = 0;
  const std::string text = Inverted(inverted);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (!absl::EndsWith(line, kKernelDevicePath)) continue;
    char* at = nullptr;
    const auto begin = std::strtoull(line.c_str(), &at, 16);
    const auto end = std::strtoull(at + 1, nullptr, 16);
    absl::string_view part(reinterpret_cast<const char*>(begin), end - begin);
    for (std::size_t found; (found = part.find(text)) != part.npos;) {
      ++count;
      part.remove_prefix(found + 1);
    }
  }
  return count;
}

}  // namespace lauberhorn::serve
