// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::daemon {
namespace {

// A socket of this name; one that begins with '@' is in no file system.
int Listen(const std::string& name) {
  const int listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name.front() == '@') address.sun_path[0] = 0;
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                        name.size())),
            0);
  return listener;
}

std::string Receive(int listener) {
  char bytes[256];
  const ssize_t got = recv(listener, bytes, sizeof(bytes), MSG_DONTWAIT);
  return got < 0 ? "nothing" : std::string(bytes, static_cast<size_t>(got));
}

TEST(NotifyTest, SendsTheState) {
  const std::string path =
      absl::StrCat(::testing::TempDir(), "notify_test.", getpid());
  for (const std::string& name : {path, absl::StrCat("@notify.", getpid())}) {
    const int listener = Listen(name);
    Notify(name, "READY=1");
    EXPECT_EQ(Receive(listener), "READY=1") << name;
    close(listener);
  }
  unlink(path.c_str());
}

TEST(NotifyTest, NobodyNeedsToListen) {
  Notify("", "READY=1");
  Notify("/nonexistent", "READY=1");
  Notify(std::string(1000, 'x'), "READY=1");
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
