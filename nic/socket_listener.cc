// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/socket_listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nic/local_socket.h"

namespace lauberhorn::nic {
namespace {

// Others hold the lock for some system calls.
constexpr int kLockTries = 50;
constexpr long kLockPause = 2'000'000;  // ns

bool IsAt(const std::string& path, struct stat* found) {
  return lstat(path.c_str(), found) == 0;
}

// The lock of the folder that a path is in, if it can be had.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path) {
    const std::filesystem::path folder =
        std::filesystem::path(path).parent_path();
    folder_ = Descriptor(open(folder.empty() ? "." : folder.c_str(),
                              O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
    for (int tries = 0; folder_.ok() && tries < kLockTries; ++tries) {
      if (flock(folder_.get(), LOCK_EX | LOCK_NB) == 0) {
        held_ = true;
        return;
      }
      if (errno != EWOULDBLOCK) return;
      const timespec pause = {0, kLockPause};
      nanosleep(&pause, nullptr);
    }
  }

  bool held() const { return held_; }

 private:
  Descriptor folder_;  // its end is that of the lock
  bool held_ = false;
};

std::string By(const Descriptor& socket) {
  const std::optional<LocalPeer> peer = PeerOf(socket.get());
  return peer ? absl::StrCat("a process of user ", peer->user)
              : std::string("another process");
}

absl::Status InUse(const SocketName& name, absl::string_view by) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen at ", name.ToString(), ": ", by,
                   " does; stop that, or choose another name"));
}

absl::Status Refused(const SocketName& name, int error) {
  const std::string text = absl::StrCat("cannot listen at ", name.ToString(),
                                        ": ", std::strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(
          absl::StrCat(text, "; choose a folder that this user may write to"));
    case ENOENT:
    case ENOTDIR:
      return absl::UnavailableError(
          absl::StrCat(text, "; make its folder first"));
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

// Removes what a dead process left at this path; an error if it is something
// else.
absl::Status RemoveStale(const SocketName& name, const FolderLock& lock) {
  const std::string& path = name.bytes();
  struct stat found;
  if (!IsAt(path, &found)) return absl::OkStatus();  // gone meanwhile
  if (!S_ISSOCK(found.st_mode)) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen at ", name.ToString(),
                     ": there is a file that is no socket; remove it, or "
                     "choose another name"));
  }
  Descriptor somebody;
  const int error = ConnectTo(name, &somebody);
  if (error == 0) return InUse(name, By(somebody));
  if (error == EPROTOTYPE) return InUse(name, "a program of another kind");
  if (error != ECONNREFUSED) {
    return InUse(name, absl::StrCat("another process, it seems (",
                                    std::strerror(error), "),"));
  }
  const std::string left =
      absl::StrCat("cannot listen at ", name.ToString(), ": a process of user ",
                   found.st_uid, " that has ended left the file behind, ");
  if (!lock.held()) {
    return absl::UnavailableError(absl::StrCat(
        left,
        "and the lock of its folder, to replace it, cannot be had; remove "
        "the file"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::PermissionDeniedError(
        absl::StrCat(left, "and it cannot be removed (", std::strerror(errno),
                     "); remove it, or choose another name"));
  }
  return absl::OkStatus();
}

}  // namespace

SocketFile::SocketFile(const std::string& path) {
  struct stat made;
  std::error_code error;
  const std::filesystem::path full = std::filesystem::absolute(path, error);
  if (error || !IsAt(path, &made)) return;
  path_ = full.string();
  device_ = made.st_dev;
  inode_ = made.st_ino;
}

SocketFile::~SocketFile() {
  struct stat found;
  if (path_.empty() || !IsAt(path_, &found)) return;
  if (found.st_dev != device_ || found.st_ino != inode_) return;
  (void)unlink(path_.c_str());
}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

absl::StatusOr<SocketListener> ListenAtName(const SocketName& name) {
  SocketListener listener;
  if (name.IsAbstract()) {
    const int error = ListenAt(name, &listener.socket);
    if (error == EADDRINUSE) return InUse(name, "another process");
    if (error != 0) return Refused(name, error);
    return listener;
  }
  const FolderLock lock(name.bytes());
  int error = ListenAt(name, &listener.socket);
  if (error == EADDRINUSE) {
    absl::Status removed = RemoveStale(name, lock);
    if (!removed.ok()) return removed;
    error = ListenAt(name, &listener.socket);
    if (error == EADDRINUSE) return InUse(name, "another process");
  }
  if (error != 0) return Refused(name, error);
  listener.file = SocketFile(name.bytes());
  return listener;
}

}  // namespace lauberhorn::nic
