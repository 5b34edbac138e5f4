// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/kit/sleeper.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

namespace lauberhorn::conformance {

Sleeper::Sleeper(Host& host, HostChannel& channel) : host_(host) {
  thread_ = std::thread([this, &channel] { Run(channel); });
  host.Within([this] { return done_.load() || IsAsleep(); });
}

Sleeper::~Sleeper() {
  if (thread_.joinable()) thread_.join();
}

bool Sleeper::Woken() {
  thread_.join();
  return woken_.load();
}

void Sleeper::Run(HostChannel& channel) {
  __u64* const word = channel.next_word();
  const auto patience = host_.options().patience.count();
  const timespec most = {.tv_sec = patience / 1000,
                         .tv_nsec = patience % 1000 * 1'000'000};
  id_.store(static_cast<int>(syscall(SYS_gettid)));
  const __u64 parked = lh_park(&channel.channel().in);
  // The last look before the sleep is the kernel's, at the low half.
  if (parked == 0 ||
      syscall(SYS_futex, word, FUTEX_WAIT, static_cast<std::uint32_t>(parked),
              &most, nullptr, 0) == 0 ||
      errno == EAGAIN) {
    woken_.store(true);
  }
  lh_unpark(&channel.channel().in);
  done_.store(true);
}

// The state of a thread in the file that the kernel offers of it.
bool Sleeper::IsAsleep() const {
  const int id = id_.load();
  if (id == 0) return false;
  std::ifstream file("/proc/self/task/" + std::to_string(id) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name = line.rfind(')');
  return name != std::string::npos && line.compare(name, 4, ") S ") == 0;
}

}  // namespace lauberhorn::conformance
