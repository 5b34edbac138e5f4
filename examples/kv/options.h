// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The command lines of server and client.
#ifndef EXAMPLES_KV_OPTIONS_H_
#define EXAMPLES_KV_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>

struct ServerOptions {
  std::string address = "0.0.0.0:50052";
  long slow_scan_ms = 0;
};

struct ClientOptions {
  enum class Command { kPut, kGet, kScan };

  std::string target = "localhost:50052";
  long deadline_ms = 10000;  // of the whole command; 0: none
  Command command = Command::kGet;
  std::string key;                                // of kPut and kGet
  std::string value;                              // of kPut
  std::string prefix;                             // of kScan
  std::optional<std::uint64_t> expected_version;  // of kPut
  std::uint32_t limit = 0;                        // of kScan; 0: none
  bool versions = false;                          // of kGet and kScan
};

// End the program for --help and for mistakes.
ServerOptions ParseServerOptions(int argc, char** argv);
ClientOptions ParseClientOptions(int argc, char** argv);

#endif  // EXAMPLES_KV_OPTIONS_H_
