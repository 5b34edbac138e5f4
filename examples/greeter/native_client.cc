// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The same call without generated code, through the native API that lies under
// the stubs: a method by its name, a request and a reply of plain bytes. It
// sends an empty message, and prints the status and the bytes that came back.
#include <iostream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "lauberhorn/client.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: native_client HOST:PORT /PACKAGE.SERVICE/METHOD\n";
    return 2;
  }
  const auto runtime = lauberhorn::Runtime::Default();
  if (!runtime.ok()) {
    std::cerr << runtime.status() << "\n";
    return 1;
  }
  const auto client = lauberhorn::Client::Connect(*runtime, argv[1]);
  if (!client.ok()) {
    std::cerr << client.status() << "\n";
    return 1;
  }
  const std::string name = argv[2];
  lauberhorn::UnaryCall call(**client, name, lauberhorn::MethodId(name));
  call.ReserveRequest(0);
  lauberhorn::CallOptions options;
  options.deadline = absl::Now() + absl::Seconds(10);
  const absl::Status status = call.Run(options);
  std::cout << status << "\n";
  if (!status.ok()) return 1;
  const absl::Span<const std::uint8_t> reply = call.reply();
  std::cout << absl::CHexEscape(absl::string_view(
                   reinterpret_cast<const char*>(reply.data()), reply.size()))
            << "\n";
  return 0;
}
