// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// vm_serve: tests of services whose NIC is behind the kernel's module. Runs in
// a guest (tests/vm/serve_test), which has the module, and the daemon where
// LAUBERHORND says. `vm_serve service NAME USER [SPIN [PORT]]` is a service,
// and `vm_serve drive METHOD TEXT OPEN PORT...` calls services without end, and
// `vm_serve hostile HOW PORT SEED` is a process that means ill.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "gtest/gtest.h"
#include "tests/vm/serve/hostile.h"
#include "tests/vm/serve/service.h"

int main(int argc, char* argv[]) {
  if (argc >= 4 && std::strcmp(argv[1], "service") == 0) {
    lauberhorn::serve::ServiceOptions options;
    options.user = std::atoi(argv[3]);
    if (argc > 4) options.spin = absl::Microseconds(std::atoi(argv[4]));
    if (argc > 5) options.port = std::atoi(argv[5]);
    return lauberhorn::serve::ServiceMain(argv[2], options);
  }
  if (argc == 5 && std::strcmp(argv[1], "hostile") == 0) {
    return lauberhorn::serve::HostileMain(argv[2], std::atoi(argv[3]),
                                          std::strtoull(argv[4], nullptr, 10));
  }
  if (argc > 5 && std::strcmp(argv[1], "drive") == 0) {
    return lauberhorn::serve::Drive(argv[2], argv[3], {argv + 5, argv + argc},
                                    std::strtoull(argv[4], nullptr, 10));
  }
  ::testing::InitGoogleTest(&argc, argv);
  const int status = RUN_ALL_TESTS();
  std::printf("FIGURE vm_calls_total %llu calls\n",
              static_cast<unsigned long long>(lauberhorn::serve::CallsMade()));
  std::printf("FIGURE vm_calls_lost %llu calls\n",
              static_cast<unsigned long long>(lauberhorn::serve::CallsLost()));
  std::printf(
      "FIGURE vm_calls_duplicated %llu calls\n",
      static_cast<unsigned long long>(lauberhorn::serve::CallsDuplicated()));
  return status != 0 || lauberhorn::serve::CallsLost() != 0 ||
         lauberhorn::serve::CallsDuplicated() != 0;
}
