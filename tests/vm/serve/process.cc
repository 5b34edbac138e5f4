// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace lauberhorn::serve {
namespace {

// Ends a test that would wait for ever; nothing depends on its size.
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr absl::Duration kLook = absl::Milliseconds(10);

}  // namespace

Process::Process(std::vector<std::string> words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipe";
    return;
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    setenv("LAUBERHORN_DEVICE", "kernel", 1);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  output_ = ends[0];
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      read_(std::move(other.read_)) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(output_, other.output_);
  std::swap(read_, other.read_);
  other.Kill();
  return *this;
}

Process::~Process() {
  Kill();
  if (output_ >= 0) close(output_);
}

bool Process::Signal(int signal) const {
  return pid_ > 0 && kill(pid_, signal) == 0;
}

std::optional<std::string> Process::ReadLine() {
  if (output_ < 0) return std::nullopt;
  const absl::Time end = absl::Now() + kPatience;
  for (;;) {
    const std::size_t line = read_.find('\n');
    if (line != std::string::npos) {
      std::string text = read_.substr(0, line);
      read_.erase(0, line + 1);
      return text;
    }
    pollfd output = {.fd = output_, .events = POLLIN, .revents = 0};
    const auto left =
        static_cast<int>(absl::ToInt64Milliseconds(end - absl::Now()));
    if (left <= 0 || poll(&output, 1, left) <= 0) return std::nullopt;
    char bytes[512];
    const ssize_t count = read(output_, bytes, sizeof(bytes));
    if (count <= 0) return std::nullopt;
    read_.append(bytes, static_cast<std::size_t>(count));
  }
}

std::optional<int> Process::Wait() {
  if (pid_ < 0) return std::nullopt;
  int status;
  if (!ComesTrue([&] { return waitpid(pid_, &status, WNOHANG) != 0; })) {
    return std::nullopt;
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void Process::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

Process StartNic(const std::vector<std::string>& words) {
  std::vector<std::string> command = {std::getenv("LAUBERHORND"), "--log-level",
                                      "warn"};
  command.insert(command.end(), words.begin(), words.end());
  // It may begin only when the last one is gone.
  EXPECT_TRUE(DeviceComesToShow("status", "down"));
  Process nic(std::move(command));
  EXPECT_TRUE(DeviceComesToShow("status", "ready"));
  return nic;
}

std::string DeviceShows(const std::string& attribute) {
  std::ifstream file(
      absl::StrCat("/sys/class/lauberhorn/lauberhorn0/", attribute));
  std::string text;
  std::getline(file, text);
  return text;
}

bool ComesTrue(const std::function<bool()>& holds) {
  const absl::Time end = absl::Now() + kPatience;
  while (!holds()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(kLook);
  }
  return true;
}

bool DeviceComesToShow(const std::string& attribute, const std::string& text) {
  return ComesTrue([&] { return DeviceShows(attribute) == text; });
}

}  // namespace lauberhorn::serve
