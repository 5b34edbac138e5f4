// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/seconds_argument.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace lauberhorn::bench {

int ReadSeconds(int argc, char** argv, const char* help, double* seconds) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::fputs(help, stdout);
    return 0;
  }
  if (argc == 2) *seconds = std::atof(argv[1]);
  if (argc > 2 || !(*seconds > 0)) {
    std::fputs(help, stderr);
    return 2;
  }
  return -1;
}

}  // namespace lauberhorn::bench
