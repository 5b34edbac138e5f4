// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// conformance_engine REGION RING
//
// The software NIC as a device for the conformance kit: makes its region in the
// file REGION and a pipe RING that rings it, says "ready", and serves until its
// standard input ends. Its wires are UDP sockets.

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "absl/status/statusor.h"
#include "nic/engine_thread.h"
#include "nic/region.h"

namespace {

using lauberhorn::nic::EngineThread;
using lauberhorn::nic::EngineThreadOptions;
using lauberhorn::nic::Region;
using lauberhorn::nic::RegionOptions;

int Fail(const char* what) {
  std::perror(what);
  return 1;
}

// Passes rings on until standard input ends.
void PassRings(int ring, EngineThread& engine) {
  for (;;) {
    pollfd files[] = {{.fd = ring, .events = POLLIN, .revents = 0},
                      {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    if (poll(files, 2, -1) < 0) continue;
    char bytes[4096];
    if (files[1].revents != 0 &&
        read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0) {
      return;
    }
    if (files[0].revents != 0 && read(ring, bytes, sizeof(bytes)) > 0) {
      engine.Ring();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: conformance_engine REGION RING\n");
    return 2;
  }
  RegionOptions options;
  options.endpoints = 8;
  options.arrived_calls = 64;
  options.own_calls = 64;
  options.features = LH_FEATURE_NEEDS_RING;
  const std::size_t size = Region::Size(options);
  const int file = open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, static_cast<off_t>(size)) != 0) {
    return Fail(argv[1]);
  }
  void* const memory =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return Fail(argv[1]);
  // It is its own writer, too: a pipe without one is at its end.
  if (mkfifo(argv[2], 0600) != 0) return Fail(argv[2]);
  const int ring = open(argv[2], O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (ring < 0) return Fail(argv[2]);

  Region region(options, {static_cast<std::uint8_t*>(memory), size});
  EngineThreadOptions engine;
  engine.mapped_twice = true;
  engine.engine.calls = 48;  // so that some are BUSY
  auto thread = EngineThread::Start(engine, region);
  if (!thread.ok()) {
    std::fprintf(stderr, "%s\n", thread.status().ToString().c_str());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  PassRings(ring, **thread);
  return 0;
}
