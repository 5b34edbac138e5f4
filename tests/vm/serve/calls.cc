// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/calls.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/vm/serve/process.h"

namespace lauberhorn::serve {

Calls::Calls(std::shared_ptr<Runtime> runtime, int port)
    : thread_([this, runtime = std::move(runtime), port] {
        Caller caller(runtime, port);
        while (!stop_) {
          const absl::Status status = caller.Call("Echo", "x").status();
          if (status.ok()) {
            ++answered_;
            continue;
          }
          EXPECT_TRUE(absl::IsUnavailable(status)) << status;
          ++failed_;
          absl::SleepFor(absl::Milliseconds(5));
        }
      }) {}

void Calls::AwaitMore() const {
  // The next may have begun before.
  const std::uint64_t enough = answered_ + 2;
  EXPECT_TRUE(ComesTrue([&] { return answered_ >= enough; }));
}

void Calls::End() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Outstanding::Call(const std::string& method, const std::string& text) {
  threads_.emplace_back([this, method, text] {
    Caller caller(runtime_, port_);
    const absl::Status status = caller.Call(method, text).status();
    EXPECT_TRUE(TellsOfADeath(status)) << method << ": " << status;
  });
}

void Outstanding::Join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace lauberhorn::serve
