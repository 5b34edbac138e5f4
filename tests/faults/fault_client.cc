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

std::string Run(Client& client, absl::string_view method, const std::string& id,
                absl::Duration timeout) {
  UnaryCall call(client, method, MethodId(method));
  std::uint8_t* const request = call.ReserveRequest(id.size());
  if (request != nullptr) {
    id.copy(reinterpret_cast<char*>(request), id.size());
  }
  CallOptions options;
  options.wait_for_ready = true;
  options.deadline = absl::Now() + timeout;  // infinite stays infinite
  const absl::Status status = call.Run(options);
  if (!status.ok()) return absl::StatusCodeToString(status.code());
  const std::string reply(call.reply().begin(), call.reply().end());
  return reply == id ? "OK" : "WRONG";
}

int Main(const std::string& target, const std::string& method, int first,
         int count, int threads, double timeout) {
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
  const std::string name = absl::StrCat("/faults.Faults/", method);
  const absl::Duration limit =
      timeout > 0 ? absl::Seconds(timeout) : absl::InfiniteDuration();
  std::atomic<int> next{first};
  std::vector<std::thread> callers;
  for (int i = 0; i < threads; ++i) {
    callers.emplace_back([&] {
      for (int at = next++; at < first + count; at = next++) {
        const std::string id = absl::StrCat(at);
        const std::string line =
            absl::StrCat(Run(**client, name, id, limit), " ", id, "\n");
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
  if (argc != 7) {
    std::fputs(
        "usage: fault_client TARGET METHOD FIRST COUNT THREADS SECONDS\n"
        "SECONDS: each call's deadline, 0 for none\n",
        stderr);
    return 2;
  }
  return lauberhorn::Main(argv[1], argv[2], std::atoi(argv[3]),
                          std::atoi(argv[4]), std::atoi(argv[5]),
                          std::atof(argv[6]));
}
