// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A client that calls a fault_server with numbered ids from several threads,
// and prints how each call ended: "OK ID", or the name of the error and ID. An
// OK whose reply is not the id is "WRONG ID".

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lauberhorn/client.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"

namespace lauberhorn {
namespace {

// What becomes of the calls, and the texts of their errors.
struct Calls {
  std::string method;
  absl::Duration timeout;
  bool wait_for_ready = true;
  std::FILE* texts = nullptr;
};

std::string Run(Client& client, const Calls& calls, const std::string& id) {
  const std::string& method = calls.method;
  UnaryCall call(client, method, MethodId(method));
  std::uint8_t* const request = call.ReserveRequest(id.size());
  if (request != nullptr) {
    id.copy(reinterpret_cast<char*>(request), id.size());
  }
  CallOptions options;
  options.wait_for_ready = calls.wait_for_ready;
  options.deadline = absl::Now() + calls.timeout;  // infinite stays infinite
  const absl::Status status = call.Run(options);
  if (!status.ok()) {
    if (calls.texts != nullptr) {
      const std::string line = absl::StrCat(status.ToString(), "\n");
      std::fputs(line.c_str(), calls.texts);
    }
    return absl::StatusCodeToString(status.code());
  }
  const std::string reply(call.reply().begin(), call.reply().end());
  return reply == id ? "OK" : "WRONG";
}

int Main(const std::string& target, const Calls& calls, int first, int count,
         int threads) {
  auto runtime = Runtime::Open({});
  if (!runtime.ok()) {
    std::fprintf(stderr, "%s\n", runtime.status().ToString().c_str());
    return 1;
  }
  const auto client = Client::Connect(*runtime, target);
  if (!client.ok()) {
    std::fprintf(stderr, "%s\n", client.status().ToString().c_str());
    return 1;
  }
  std::atomic<int> next{first};
  std::vector<std::thread> callers;
  for (int i = 0; i < threads; ++i) {
    callers.emplace_back([&] {
      for (int at = next++; at < first + count; at = next++) {
        const std::string id = absl::StrCat(at);
        const std::string line =
            absl::StrCat(Run(**client, calls, id), " ", id, "\n");
        std::fputs(line.c_str(), stdout);
        std::fflush(stdout);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  return 0;
}

}  // namespace
}  // namespace lauberhorn

int main(int argc, char** argv) {
  if (argc < 7 || argc > 9) {
    std::fputs(
        "usage: fault_client TARGET METHOD FIRST COUNT THREADS SECONDS [TEXTS "
        "[now]]\n"
        "SECONDS: each call's deadline, 0 for none\n"
        "TEXTS: a file for the texts of errors, a line each\n"
        "now: calls do not wait for the server to be there\n",
        stderr);
    return 2;
  }
  lauberhorn::Calls calls;
  calls.method = absl::StrCat("/faults.Faults/", argv[2]);
  const double timeout = std::atof(argv[6]);
  calls.timeout =
      timeout > 0 ? absl::Seconds(timeout) : absl::InfiniteDuration();
  calls.wait_for_ready = argc < 9;
  if (argc > 7) calls.texts = std::fopen(argv[7], "w");
  const int status = lauberhorn::Main(argv[1], calls, std::atoi(argv[3]),
                                      std::atoi(argv[4]), std::atoi(argv[5]));
  if (calls.texts != nullptr) std::fclose(calls.texts);
  return status;
}
