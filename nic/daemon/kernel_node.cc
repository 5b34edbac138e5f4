// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/kernel_node.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic::daemon {
namespace {

template <typename Argument>
int Call(int file, unsigned long command, Argument* argument) {
  return ioctl(file, command, argument) == 0 ? 0 : errno;
}

absl::Status CannotOpen(const std::string& path, int error) {
  const std::string what =
      absl::StrCat("cannot open ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return absl::NotFoundError(absl::StrCat(
          what,
          "; the kernel's module is not loaded, or has no such device: "
          "`modprobe lauberhorn`, or see docs/module.md"));
    case EBUSY:
      return absl::UnavailableError(absl::StrCat(
          what,
          "; another NIC is attached to it, and there is one at a time: "
          "stop that one, or name another device by --device"));
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(absl::StrCat(
          what,
          "; a NIC reaches the memory of all processes that attach, so "
          "it needs CAP_SYS_ADMIN: start it as root"));
    default:
      return absl::UnknownError(what);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelNode>> KernelNode::Open(
    const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return CannotOpen(path, errno);
  struct stat found;
  if (fstat(file, &found) == 0 && S_ISCHR(found.st_mode)) {
    return absl::WrapUnique(new KernelNode(file));
  }
  close(file);
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is no node of a device"));
}

KernelNode::~KernelNode() { close(file_); }

int KernelNode::Attach(lh_nic_attach* attach) {
  return Call(file_, LH_NIC_ATTACH, attach);
}

int KernelNode::Start(lh_nic_start* start) {
  return Call(file_, LH_NIC_START, start);
}

int KernelNode::Read(absl::Span<lh_nic_event> events, std::size_t* count) {
  ssize_t got;
  do {
    got = read(file_, events.data(), events.size() * sizeof(lh_nic_event));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno;
  *count = static_cast<std::size_t>(got) / sizeof(lh_nic_event);
  return 0;
}

int KernelNode::Map(std::uint64_t offset, std::uint64_t size,
                    std::uint8_t** base) {
  void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                        file_, static_cast<off_t>(offset));
  if (at == MAP_FAILED) return errno;
  *base = static_cast<std::uint8_t*>(at);
  return 0;
}

void KernelNode::Unmap(std::uint8_t* base, std::uint64_t size) {
  munmap(base, size);
}

int KernelNode::Answer(const lh_nic_answer& answer) {
  return Call(file_, LH_NIC_ANSWER, &answer);
}

int KernelNode::End(const lh_nic_end& end) {
  return Call(file_, LH_NIC_END, &end);
}

int KernelNode::Wake(lh_nic_wake* wake) {
  return Call(file_, LH_NIC_WAKE, wake);
}

int KernelNode::Interrupt(std::uint32_t cpu) {
  const lh_nic_interrupt interrupt = {cpu, 0};
  return Call(file_, LH_NIC_INTERRUPT, &interrupt);
}

}  // namespace lauberhorn::nic::daemon
