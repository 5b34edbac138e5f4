// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/report_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nic/report_path.h"

namespace lauberhorn::nic {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxPeers = 4;  // at a time; others are hung up on
constexpr std::size_t kMaxRequest = 64;
constexpr time_t kPatience = 5;  // seconds that a peer is waited for
constexpr std::uint64_t kMaxTrace = 60'000;  // milliseconds
constexpr int kTracePeriod = 5;              // milliseconds between looks
// Records in one message: few enough that those behind are not overwritten.
constexpr std::uint64_t kBatch = 512;
constexpr int kMaxStale = 256;  // files that are looked at

absl::string_view ErrorLine(absl::string_view what, std::string* line) {
  *line = absl::StrCat("{\"error\":", JsonString(what), "}\n");
  return *line;
}

bool SendAll(int peer, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// The first line that comes; false if none does.
bool ReceiveLine(int peer, std::string* line) {
  char bytes[kMaxRequest];
  while (line->size() < kMaxRequest) {
    const ssize_t got = recv(peer, bytes, kMaxRequest - line->size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    line->append(bytes, static_cast<std::size_t>(got));
    const std::size_t end = line->find('\n');
    if (end == std::string::npos) continue;
    line->resize(end);
    return true;
  }
  return true;  // too long: no request is
}

bool Fill(const std::string& path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof(address->sun_path)) return false;
  std::memcpy(address->sun_path, path.c_str(), path.size() + 1);
  return true;
}

// Whether nobody listens at this path any more.
bool IsDead(const std::string& path) {
  sockaddr_un address;
  if (!Fill(path, &address)) return false;
  const int probe =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const bool refused = connect(probe, reinterpret_cast<sockaddr*>(&address),
                               sizeof(address)) != 0 &&
                       errno == ECONNREFUSED;
  close(probe);
  return refused;
}

// Makes the folder if need be. Whether it is this user's, and only this user's.
bool TakeFolder(const std::string& folder) {
  (void)mkdir(folder.c_str(), S_IRWXU);  // it may be there
  struct stat found;
  return lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
         found.st_uid == geteuid() &&
         (found.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

// Removes the sockets of processes that are gone. One that does not listen yet
// is not: its process is there.
void RemoveStale(const std::string& folder) {
  DIR* const open = opendir(folder.c_str());
  if (open == nullptr) return;
  for (int count = 0; count < kMaxStale; ++count) {
    const dirent* const entry = readdir(open);
    if (entry == nullptr) break;
    pid_t pid;
    int number;
    if (!ParseReportName(entry->d_name, &pid, &number)) continue;
    const std::string path = absl::StrCat(folder, "/", entry->d_name);
    if (kill(pid, 0) != 0 && errno == ESRCH && IsDead(path)) {
      unlink(path.c_str());
    }
  }
  closedir(open);
}

// A socket that listens in this folder; -1 if there can be none.
int Listen(const std::string& folder, pid_t pid, std::string* path) {
  if (!TakeFolder(folder)) return -1;
  RemoveStale(folder);
  const int listener =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  for (int number = 1; number <= kMaxReportSockets; ++number) {
    *path = absl::StrCat(folder, "/", ReportName(pid, number));
    sockaddr_un address;
    if (!Fill(*path, &address)) break;
    const auto attempt = [&] {
      return bind(listener, reinterpret_cast<sockaddr*>(&address),
                  sizeof(address)) == 0;
    };
    // A process that had this number before may have left it.
    if (attempt() || (errno == EADDRINUSE && IsDead(*path) &&
                      unlink(path->c_str()) == 0 && attempt())) {
      if (listen(listener, static_cast<int>(kMaxPeers)) == 0) return listener;
      unlink(path->c_str());
      break;
    }
    if (errno != EADDRINUSE) break;
  }
  close(listener);
  return -1;
}

}  // namespace

std::unique_ptr<ReportSocket> ReportSocket::Open(
    Engine& engine, ReportSubject subject,
    const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    std::string path;
    const int listener = Listen(folder, subject.pid, &path);
    if (listener >= 0) {
      return absl::WrapUnique(new ReportSocket(engine, std::move(subject),
                                               listener, std::move(path)));
    }
  }
  return nullptr;
}

ReportSocket::~ReportSocket() {
  unlink(path_.c_str());
  close(listener_);
  std::unique_lock<std::mutex> lock(mutex_);
  closing_ = true;
  for (const int peer : peers_) shutdown(peer, SHUT_RDWR);
  while (!peers_.empty()) left_.wait(lock);
}

void ReportSocket::Accept() {
  for (;;) {
    const int peer = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) return;
    ucred who = {};
    socklen_t size = sizeof(who);
    const bool welcome =
        getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
        (who.uid == geteuid() || who.uid == 0);
    const std::unique_lock<std::mutex> lock(mutex_);
    if (!welcome || peers_.size() == kMaxPeers) {
      close(peer);
      continue;
    }
    peers_.push_back(peer);
    try {
      std::thread([this, peer] { Talk(peer); }).detach();
    } catch (const std::system_error&) {
      peers_.pop_back();
      close(peer);
    }
  }
}

void ReportSocket::Talk(int peer) {
  pthread_setname_np(pthread_self(), "lauberhorn-stat");
  const timeval patience = {kPatience, 0};
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  std::string request;
  if (ReceiveLine(peer, &request)) Answer(peer, request);
  Forget(peer);
}

// The last that a thread does: the socket may be gone when this returns.
void ReportSocket::Forget(int peer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  close(peer);
  peers_.erase(std::find(peers_.begin(), peers_.end(), peer));
  left_.notify_all();
}

void ReportSocket::Answer(int peer, absl::string_view request) {
  if (request == "stat") {
    SendAll(peer, StatReport(engine_, subject_));
    return;
  }
  std::uint64_t milliseconds;
  if (absl::ConsumePrefix(&request, "trace ") &&
      absl::SimpleAtoi(request, &milliseconds) && milliseconds <= kMaxTrace) {
    return SendTrace(peer, milliseconds);
  }
  std::string line;
  SendAll(peer, ErrorLine("the requests are: stat; trace MILLISECONDS, at most "
                          "60000",
                          &line));
}

void ReportSocket::SendTrace(int peer, std::uint64_t milliseconds) {
  Trace& trace = engine_.trace();
  const Clock::time_point end =
      Clock::now() + std::chrono::milliseconds(milliseconds);
  // What was recorded while it was on for others is of interest, too, if only
  // that is asked for.
  std::uint64_t next = trace.written();
  if (milliseconds == 0) next -= std::min(next, Trace::kRecords);
  trace.Start();
  std::uint64_t lost = 0;
  bool there = true;
  for (bool last = false; there && !last;) {
    last = Clock::now() >= end;
    const std::uint64_t written = trace.written();
    while (there && next < written) {
      std::string lines;
      const std::uint64_t batch = std::min(next + kBatch, written);
      for (; next < batch; ++next) {
        TraceRecord record;
        if (trace.Read(next, &record)) {
          lines += TraceLine(record);
        } else {
          ++lost;
        }
      }
      there = SendAll(peer, lines);
    }
    if (last || !there) break;
    // Whoever hangs up, or says more than was asked, wants no more.
    pollfd look = {peer, POLLIN | POLLRDHUP, 0};
    there = poll(&look, 1, kTracePeriod) <= 0;
  }
  trace.Stop();
  if (there) SendAll(peer, TraceEnd(engine_, subject_, lost));
}

}  // namespace lauberhorn::nic
