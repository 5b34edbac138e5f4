// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/socket_listener.h
//
// A socket that listens at a name that users chose (nic/socket_name.h), for
// sequenced packets.
//
// A path is a file, which outlives a process that is killed. So one where
// nobody listens any more is replaced; one where somebody does, and what is no
// socket, never is. Whoever listens holds the lock of the file's folder (flock)
// from before it looks until it listens, so of two that come at once one finds
// the other. The file is removed at the end if it is still the same.
//
// Not thread-safe.
#ifndef LAUBERHORN_NIC_SOCKET_LISTENER_H_
#define LAUBERHORN_NIC_SOCKET_LISTENER_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "nic/descriptor.h"
#include "nic/socket_name.h"

namespace lauberhorn::nic {

// The file of a socket; removes it.
class SocketFile {
 public:
  SocketFile() = default;  // none
  // The file that is there; it is this process's from now on.
  explicit SocketFile(const std::string& path);
  ~SocketFile();

  SocketFile(SocketFile&& other) noexcept;
  SocketFile& operator=(SocketFile&& other) noexcept;

 private:
  std::string path_;  // from the root; empty if there is none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

struct SocketListener {
  Descriptor socket;
  SocketFile file;  // removed first, while the socket still listens
};

// Starts to listen. UNAVAILABLE if the name is in use, or its folder is not
// there; PERMISSION_DENIED. May wait for the lock, a tenth of a second at most.
absl::StatusOr<SocketListener> ListenAtName(const SocketName& name);

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_SOCKET_LISTENER_H_
