// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/kmod/child.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

constexpr int kPatienceMs = 20000;

void SayLetter(int socket, char letter) {
  // Whoever is gone hears nothing.
  static_cast<void>(send(socket, &letter, 1, MSG_NOSIGNAL));
}

// The next letter, or 0 if none comes.
char Hear(int socket) {
  pollfd wait = {socket, POLLIN, 0};
  char letter = 0;
  if (poll(&wait, 1, kPatienceMs) != 1 || read(socket, &letter, 1) != 1) {
    return 0;
  }
  return letter;
}

}  // namespace

void Parent::Say(char letter) const { SayLetter(socket_, letter); }

bool Parent::Asks() const {
  char letter;
  return recv(socket_, &letter, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

void Parent::Await(char letter) const {
  if (Hear(socket_) != letter) std::_Exit(3);
}

Child::Child(const std::function<void(const Parent&)>& body) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    std::abort();
  }
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ < 0) std::abort();
  if (pid_ == 0) {
    // Of the NIC's node nothing is inherited: its life ends with the file.
    const auto own = static_cast<unsigned>(sockets[1]);
    close_range(3, own - 1, 0);
    close_range(own + 1, ~0U, 0);
    body(Parent(sockets[1]));
    std::fflush(nullptr);
    std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  close(sockets[1]);
  socket_ = sockets[0];
}

Child::~Child() {
  if (pid_ > 0) Kill();
  close(socket_);
}

bool Child::Parks(int threads) const {
  const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
  return Eventually([&] {
    int parked = 0;
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      std::string text;
      std::getline(std::ifstream(task.path() / "wchan"), text);
      // lh_park..., lauberhorn_park, lh_stock_park...
      parked += text.find("_park") != std::string::npos ? 1 : 0;
    }
    return parked == threads;
  });
}

void Child::Say(char letter) const { SayLetter(socket_, letter); }

bool Child::Says(char letter) const {
  const char heard = Hear(socket_);
  if (heard != letter) {
    std::fprintf(stderr, "the child said %d, not %c\n", heard, letter);
  }
  return heard == letter;
}

bool Child::EndsWell() {
  // Its end of the socket is the last thing that it closes.
  const char heard = Hear(socket_);
  if (heard != 0) std::fprintf(stderr, "the child said %c\n", heard);
  int status = 0;
  kill(pid_, SIGKILL);
  waitpid(pid_, &status, 0);
  pid_ = -1;
  const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!well) std::fprintf(stderr, "the child ended with 0x%x\n", status);
  return well && heard == 0;
}

void Child::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  EXPECT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

void PinToAny() {
  cpu_set_t set;
  std::memset(&set, 0xff, sizeof(set));
  EXPECT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

}  // namespace lauberhorn::kmod
