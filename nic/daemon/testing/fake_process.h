// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/testing/fake_process.h
//
// A process of a FakeNode, as the library would be one: it finds everything by
// its information page, and speaks through its lanes. Somebody else drives the
// NIC, in `turn`, whenever this waits.
#ifndef LAUBERHORN_NIC_DAEMON_TESTING_FAKE_PROCESS_H_
#define LAUBERHORN_NIC_DAEMON_TESTING_FAKE_PROCESS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "abi/host/control.h"
#include "abi/host/region.h"
#include "absl/strings/string_view.h"
#include "nic/daemon/testing/fake_node.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic::daemon::testing {

class FakeProcess {
 public:
  // The method of all servers.
  static constexpr std::uint64_t kMethod = 7;

  // Attaches; the test fails if it is refused. Both outlive it.
  FakeProcess(FakeNode& node, std::function<void()> turn,
              const FakeNode::Who& who = {});

  FakeProcess(const FakeProcess&) = delete;
  FakeProcess& operator=(const FakeProcess&) = delete;

  std::uint32_t place() const { return place_; }
  std::uint8_t* base() const { return node_.Part(place_).data(); }
  const lh_info& info() const {
    return *reinterpret_cast<const lh_info*>(base());
  }
  const lh_process_layout& layout() const {
    return *reinterpret_cast<const lh_process_layout*>(base() +
                                                       info().processes);
  }
  nic::testing::HostChannel Channel(std::uint32_t endpoint, Which which) const {
    return {base(), endpoint, which};
  }

  // Puts a message on the `call` or the `serve` channel of its endpoint 0, or
  // waits for the next one there.
  void Put(Which which, const lh_message& header,
           absl::string_view payload = "");
  nic::testing::TakenMessage Take(Which which);

  // The result of a command.
  nic::testing::TakenMessage Run(lh_command command, absl::string_view payload);
  // The same of one that must succeed: its `data`.
  std::uint64_t Control(lh_command command, absl::string_view payload);

  // A server on the loopback interface, whose thread waits for a call: its
  // port.
  std::uint16_t Serve();
  // The server there, for calls: by number and generation.
  std::uint64_t ConnectTo(std::uint16_t port);
  void PutCall(std::uint64_t peer, std::uint32_t number,
               std::uint32_t generation, absl::string_view request);
  // Both, for the first generation.
  void Call(std::uint16_t port, std::uint32_t number,
            absl::string_view request) {
    PutCall(ConnectTo(port), number, 1, request);
  }
  // The server's thread takes one call more; and answers one.
  void Wait();
  void Reply(const nic::testing::TakenMessage& call, absl::string_view reply);

  static std::uint64_t HandleOf(const lh_process_layout& layout,
                                std::uint32_t number) {
    return lh_handle(layout.call_first + number, 1);
  }

 private:
  FakeNode& node_;
  const std::function<void()> turn_;
  const std::uint32_t place_;
  nic::testing::HostChannel serve_;
  nic::testing::HostChannel call_;
};

// Lets the NIC take turns until something holds; false if it never does.
bool Eventually(const std::function<void()>& turn,
                const std::function<bool()>& holds);

}  // namespace lauberhorn::nic::daemon::testing

#endif  // LAUBERHORN_NIC_DAEMON_TESTING_FAKE_PROCESS_H_
