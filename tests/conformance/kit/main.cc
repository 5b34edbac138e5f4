// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// lauberhorn-conformance: whether a device keeps the contract (docs/device.md).

#include <arpa/inet.h>
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/conformance/kit/runner.h"

namespace lauberhorn::conformance {
namespace {

constexpr char kUsage[] =
    R"(usage: lauberhorn-conformance --region FILE [options]
       lauberhorn-conformance --list

Tests whether a device keeps the rules of the contract that can be seen from
outside. It is the device's driver and the one process that uses it, and resets
the device before each test.

  --region FILE     where the region is: shared memory, a resource of a PCI device
  --offset BYTES    where it begins in the file; 0 by default
  --size BYTES      how long it is; by default as long as the file is from there on
  --ring FILE       rings the device when eight bytes are written to it: a pipe, a
                    register. Needed if the device has LH_FEATURE_NEEDS_RING
  --listen ADDRESS  the IP address at which the device is to listen, and reaches
                    itself; 127.0.0.1 by default
  --no-wake         the device does not wake by a futex in the region: a kernel does
  --patience MS     how long a test waits for what the device has to do; 5000
  --seed N          of what is random; 1
  --only PATTERN    the tests whose rules or text have PATTERN in them
  --without WORDS   rules that the device leaves out, and words of what it has not,
                    with a comma between: tests that name one are not applicable
  --list            says what is tested, by rule, and nothing else

Output is that of the Test Anything Protocol; what is "not ok # SHOULD" is no
failure. Exit status: 0 if no test of a rule that says MUST failed, 1 if one did,
2 if the device cannot be tested.
)";

enum Option {
  kRegion = 256,
  kOffset,
  kSize,
  kRingFile,
  kListen,
  kNoWake,
  kPatience,
  kSeed,
  kOnly,
  kWithout,
  kList,
  kHelp,
};

constexpr option kOptions[] = {
    {"region", required_argument, nullptr, kRegion},
    {"offset", required_argument, nullptr, kOffset},
    {"size", required_argument, nullptr, kSize},
    {"ring", required_argument, nullptr, kRingFile},
    {"listen", required_argument, nullptr, kListen},
    {"no-wake", no_argument, nullptr, kNoWake},
    {"patience", required_argument, nullptr, kPatience},
    {"seed", required_argument, nullptr, kSeed},
    {"only", required_argument, nullptr, kOnly},
    {"without", required_argument, nullptr, kWithout},
    {"list", no_argument, nullptr, kList},
    {"help", no_argument, nullptr, kHelp},
    {nullptr, 0, nullptr, 0},
};

std::uint64_t Number(const char* text) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long number = std::strtoull(text, &end, 0);
  if (errno != 0 || end == text || *end != 0 || *text == '-') {
    throw std::runtime_error(std::string(text) + " is not a number");
  }
  return number;
}

lh_address Address(const char* text) {
  lh_address address = {};
  if (inet_pton(AF_INET6, text, address.ip) == 1) return address;
  address.ip[10] = address.ip[11] = 0xff;
  if (inet_pton(AF_INET, text, address.ip + 12) != 1) {
    throw std::runtime_error(std::string(text) + " is no IP address");
  }
  return address;
}

int Main(int argc, char** argv) {
  RunOptions run;
  run.host.address = Address("127.0.0.1");
  run.host.has = kWake;
  std::string path;
  std::string ring;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  for (int option;
       (option = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    switch (option) {
      case kRegion:
        path = optarg;
        break;
      case kOffset:
        offset = Number(optarg);
        break;
      case kSize:
        size = Number(optarg);
        break;
      case kRingFile:
        ring = optarg;
        run.host.has |= kRing;
        break;
      case kListen:
        run.host.address = Address(optarg);
        break;
      case kNoWake:
        run.host.has &= ~unsigned{kWake};
        break;
      case kPatience:
        run.host.patience = std::chrono::milliseconds(Number(optarg));
        break;
      case kSeed:
        run.host.seed = Number(optarg);
        break;
      case kOnly:
        run.only = optarg;
        break;
      case kWithout: {
        std::istringstream words(optarg);
        for (std::string word; std::getline(words, word, ',');) {
          run.host.without.push_back(word);
        }
        break;
      }
      case kList:
        List();
        return 0;
      case kHelp:
        std::fputs(kUsage, stdout);
        return 0;
      default:
        std::fputs(kUsage, stderr);
        return 2;
    }
  }
  if (path.empty() || optind != argc) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  RegionFile region(path, offset, size, ring);
  return Run(region, run);
}

}  // namespace
}  // namespace lauberhorn::conformance

int main(int argc, char** argv) {
  try {
    return lauberhorn::conformance::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lauberhorn-conformance: %s\n", error.what());
    return 2;
  }
}
