// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/process.h"

#include <google/protobuf/util/json_util.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <tuple>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "nic/report_path.h"

namespace lauberhorn::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxLine = std::size_t{16} << 20;

// Where the processes of this user may have their sockets.
std::vector<std::string> FoldersOf(uid_t uid) {
  std::vector<std::string> folders;
  const auto add = [&](const std::string& runtime_folder) {
    for (std::string& folder : nic::ReportFolders(uid, runtime_folder)) {
      if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
        folders.push_back(std::move(folder));
      }
    }
  };
  const char* const own = secure_getenv("XDG_RUNTIME_DIR");
  if (uid == geteuid() && own != nullptr) add(own);
  add(absl::StrCat("/run/user/", uid));
  if (uid == 0) add(nic::kDaemonRuntimeFolder);
  return folders;
}

// The users that have a folder, for root.
std::vector<uid_t> Users() {
  std::vector<uid_t> users = {geteuid()};
  if (geteuid() != 0) return users;
  std::error_code error;
  const auto look = [&](const char* where, absl::string_view prefix) {
    for (const fs::directory_entry& entry :
         fs::directory_iterator(where, error)) {
      const std::string name = entry.path().filename();
      absl::string_view number = name;
      uid_t uid;
      if (absl::ConsumePrefix(&number, prefix) &&
          absl::SimpleAtoi(number, &uid)) {
        users.push_back(uid);
      }
    }
  };
  look("/run/user", "");
  look(P_tmpdir, "lauberhorn-");
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  return users;
}

std::string ProgramOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/comm"));
  std::string name;
  std::getline(file, name);
  return name;
}

// Of a folder that belongs to this user, and to nobody else.
void AddEngines(const std::string& folder, uid_t uid,
                std::vector<Engine>& engines) {
  struct stat found;
  if (lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode) ||
      found.st_uid != uid) {
    return;
  }
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(folder, error)) {
    Engine engine;
    if (!nic::ParseReportName(entry.path().filename().string(), &engine.pid,
                              &engine.number)) {
      continue;
    }
    // What a process that was killed has left.
    if (kill(engine.pid, 0) != 0 && errno == ESRCH) continue;
    engine.program = ProgramOf(engine.pid);
    engine.path = entry.path();
    engines.push_back(std::move(engine));
  }
}

// Why the process has no engine.
absl::Status WhyNot(pid_t pid) {
  struct stat process;
  if (stat(absl::StrCat("/proc/", pid).c_str(), &process) != 0) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  }
  if (geteuid() != 0 && process.st_uid != geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "process ", pid, " (", ProgramOf(pid),
        ") runs as another user; ask as user ", process.st_uid, " or as root"));
  }
  return absl::NotFoundError(absl::StrCat(
      "process ", pid, " (", ProgramOf(pid),
      ") does not run this library, or was started with LAUBERHORN_STAT=off: "
      "it has no socket in ",
      absl::StrJoin(FoldersOf(process.st_uid), " or ")));
}

}  // namespace

std::vector<Engine> ListEngines() {
  std::vector<Engine> engines;
  for (const uid_t uid : Users()) {
    for (const std::string& folder : FoldersOf(uid)) {
      AddEngines(folder, uid, engines);
    }
  }
  std::sort(engines.begin(), engines.end(), [](const auto& a, const auto& b) {
    return std::tie(a.pid, a.number) < std::tie(b.pid, b.number);
  });
  return engines;
}

absl::StatusOr<std::vector<Engine>> FindEngines(const std::string& which) {
  std::vector<Engine> engines = ListEngines();
  pid_t pid;
  const bool by_number = absl::SimpleAtoi(which, &pid);
  engines.erase(std::remove_if(engines.begin(), engines.end(),
                               [&](const Engine& engine) {
                                 return by_number ? engine.pid != pid
                                                  : engine.program != which;
                               }),
                engines.end());
  if (!engines.empty()) return engines;
  if (by_number) return WhyNot(pid);
  return absl::NotFoundError(
      absl::StrCat("no process of yours that is called '", which,
                   "' runs this library; `lauberhorn list` shows those that "
                   "do"));
}

absl::Status Ask(const Engine& engine, absl::string_view request,
                 const std::function<absl::Status(const std::string&)>& take) {
  const auto failed = [&](absl::string_view what) {
    return absl::UnavailableError(absl::StrCat("cannot ", what, " process ",
                                               engine.pid, " (", engine.path,
                                               "): ", std::strerror(errno)));
  };
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (engine.path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the path is too long: ", engine.path));
  }
  std::memcpy(address.sun_path, engine.path.c_str(), engine.path.size());
  const int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer < 0) return failed("make a socket for");
  const absl::Cleanup close_it = [peer] { close(peer); };
  if (connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    return failed("reach");
  }
  const std::string line = absl::StrCat(request, "\n");
  if (send(peer, line.data(), line.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(line.size())) {
    return failed("ask");
  }
  std::string buffer;
  char bytes[65536];
  bool any = false;
  for (;;) {
    const ssize_t got = recv(peer, bytes, sizeof(bytes), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("hear from");
    if (got == 0) break;
    buffer.append(bytes, static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end; (end = buffer.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      any = true;
      const absl::Status status = take(buffer.substr(begin, end - begin));
      if (!status.ok()) return status;
    }
    buffer.erase(0, begin);
    if (buffer.size() > kMaxLine) {
      return absl::InternalError(
          absl::StrCat("process ", engine.pid, " says too much in one line"));
    }
  }
  if (any && buffer.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("process ", engine.pid,
                   " hung up: it has ended, or too many ask it at a time"));
}

absl::StatusOr<google::protobuf::Value> ParseJson(const std::string& line) {
  google::protobuf::Value value;
  if (!google::protobuf::util::JsonStringToMessage(line, &value).ok()) {
    return absl::InternalError(absl::StrCat(
        "the process answered what is not JSON: ", line.substr(0, 80)));
  }
  const auto& fields = value.struct_value().fields();
  const auto error = fields.find("error");
  if (error != fields.end()) {
    return absl::InvalidArgumentError(error->second.string_value());
  }
  return value;
}

}  // namespace lauberhorn::cli
