// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/kernel_device.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "abi/host/channel_user.h"
#include "abi/host/device.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "librpc/device_layout.h"
#include "librpc/device_time.h"
#include "librpc/fork_watch.h"

namespace lauberhorn {
namespace {

constexpr std::size_t kPage = 4096;  // of the contract, not of the machine

// How long a wait is that the module refuses.
constexpr absl::Duration kRefusedWait = absl::Milliseconds(1);

absl::Status OpenError(const std::string& path) {
  switch (errno) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
      return absl::NotFoundError(
          absl::StrCat("there is no ", path,
                       ": load the module (modprobe lauberhorn); "
                       "`lauberhorn doctor` says what else is missing"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(
          "this user may not open ", path,
          ": root gives it a group that may, by a rule of udev, or by chgrp"));
    default:
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
}

absl::Status AttachError(const std::string& path) {
  switch (errno) {
    case ENODEV:
      return absl::UnavailableError(
          absl::StrCat("no NIC serves ", path, ": start lauberhornd"));
    case EDQUOT:
      return absl::ResourceExhaustedError(
          absl::StrCat("this user has as much of ", path,
                       " as one may have: end a process, "
                       "or raise the module's limits of a user"));
    case ENOSPC:
      return absl::ResourceExhaustedError(
          absl::StrCat(path,
                       " serves as many processes as it can: end one, or raise "
                       "lauberhornd's --processes"));
    case ENOMEM:
      return absl::ResourceExhaustedError(
          absl::StrCat("no memory for a part of ", path));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat("the NIC of ", path, " does not serve this process"));
    default:
      return absl::ErrnoToStatus(errno,
                                 absl::StrCat("cannot attach to ", path));
  }
}

// An open node.
class Node {
 public:
  explicit Node(const std::string& path)
      : descriptor_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
  ~Node() {
    if (ok()) close(descriptor_);
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  bool ok() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  // What is asked from here on fails. Others may be asking: so the number stays
  // taken, by a file that knows none of these calls.
  void LetGo() const {
    const int nothing = eventfd(0, EFD_CLOEXEC);
    if (nothing < 0) return;
    dup3(nothing, descriptor_, O_CLOEXEC);
    close(nothing);
  }

  template <typename... Argument>
  bool Ask(unsigned long request, Argument... argument) const {
    return ioctl(descriptor_, request, argument...) == 0;
  }

  // UNAVAILABLE unless a NIC serves; FAILED_PRECONDITION if it is of another
  // version.
  absl::Status Probe(const std::string& path) const {
    lh_device_info info;
    if (!Ask(LH_DEVICE_INFO, &info)) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is no device of Lauberhorn"));
    }
    if (info.version_major != LH_VERSION_MAJOR) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the module speaks version ", info.version_major, ".",
          info.version_minor, " of the contract, this library version ",
          LH_VERSION_MAJOR, "; use those of one release"));
    }
    if (info.status == LH_STATUS_READY) return absl::OkStatus();
    errno = ENODEV;
    return AttachError(path);
  }

 private:
  const int descriptor_;
};

// The process's part, mapped: the first page can only be read.
class Part {
 public:
  Part(const Node& node, std::size_t size)
      : size_(size),
        address_(mmap(nullptr, size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        ok_(address_ != MAP_FAILED && Map(node, 0, kPage, PROT_READ) &&
            Map(node, kPage, size - kPage, PROT_READ | PROT_WRITE)) {}
  ~Part() {
    if (address_ == MAP_FAILED) return;
    LH_ON_VIEW(address_, 0, nullptr);
    munmap(address_, size_);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  bool ok() const { return ok_; }
  std::uint8_t* base() const { return static_cast<std::uint8_t*>(address_); }
  std::size_t size() const { return size_; }

  // Puts a copy of it there, of this process's own memory, in which the NIC is
  // down: whoever uses the part meanwhile finds one or the other, as do
  // handlers that read their requests in it. False if there is no memory.
  bool LetGo() const {
    void* const copy = Own(nullptr, 0);
    if (copy == MAP_FAILED) return false;
    std::memcpy(copy, address_, size_);
    SayDown(copy);
    LH_ON_VIEW(address_, size_, LH_LOG_NOWHERE);
    if (mremap(copy, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, address_) !=
        MAP_FAILED) {
      return true;
    }
    munmap(copy, size_);
    return false;
  }

  // The same in the child of a fork, which has inherited nothing there.
  bool LetGoInChild() const {
    if (Own(address_, MAP_FIXED) == MAP_FAILED) return false;
    SayDown(address_);
    LH_ON_VIEW(address_, size_, LH_LOG_NOWHERE);
    return true;
  }

 private:
  bool Map(const Node& node, std::size_t offset, std::size_t size, int access) {
    return mmap(base() + offset, size, access, MAP_SHARED | MAP_FIXED,
                node.descriptor(), static_cast<off_t>(offset)) != MAP_FAILED;
  }

  void* Own(void* at, int flags) const {
    return mmap(at, size_, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  }
  static void SayDown(void* part) {
    lh_store_release(&static_cast<lh_info*>(part)->status, LH_STATUS_DOWN);
  }

  const std::size_t size_;
  void* const address_;
  const bool ok_;
};

class KernelDevice final : public Device {
 public:
  explicit KernelDevice(const std::string& path) : path_(path), node_(path) {}

  absl::Status Open() {
    if (!node_.ok()) return OpenError(path_);
    absl::Status status = node_.Probe(path_);
    if (!status.ok()) return status;
    lh_device_attach attach = {};
    while (!node_.Ask(LH_DEVICE_ATTACH, &attach)) {
      if (errno != EINTR) return AttachError(path_);
    }
    if (attach.size <= kPage) {
      return absl::InternalError("the module gave no memory");
    }
    part_ = std::make_unique<Part>(node_, attach.size);
    if (!part_->ok()) {
      return errno == ENODEV ? AttachError(path_)
                             : absl::ErrnoToStatus(
                                   errno, absl::StrCat("cannot map ", path_));
    }
    LH_ON_VIEW(part_->base(), part_->size(), LH_LOG_PART(attach.process));
    absl::StatusOr<DeviceLayout> layout =
        ReadDeviceLayout({part_->base(), part_->size()});
    if (!layout.ok()) return layout.status();
    layout_ = *std::move(layout);
    if (layout_.endpoints.size() > attach.endpoints) {
      return absl::InternalError("the NIC's layout has too many endpoints");
    }
    bound_.resize(layout_.endpoints.size());
    attachment_ = {part_->base(), &layout_.info, &layout_.process,
                   layout_.endpoints.data(), attach.epoch};
    fork_watch_.emplace([this] {
      if (!let_go_) LetGoOf(part_->LetGoInChild());
    });
    return absl::OkStatus();
  }

  const Attachment& Attach() const override { return attachment_; }

  // A kernel without the scheduler's hooks does not bind threads, and a thread
  // is bound to one device: then this one parks as one that is not bound.
  lh_hint* Bind(std::uint32_t endpoint) override {
    const std::uint64_t hint = layout_.endpoints[endpoint].hint;
    lh_device_bind bind = {};
    bind.endpoint = endpoint;
    bind.hint = hint;
    bound_[endpoint] = node_.Ask(LH_DEVICE_BIND, &bind);
    if (!bound_[endpoint] || hint == 0) return nullptr;
    return attachment_.At<lh_hint>(hint);
  }

  void Unbind(std::uint32_t endpoint) override {
    if (bound_[endpoint]) node_.Ask(LH_DEVICE_UNBIND);
    bound_[endpoint] = 0;
  }

  void Wait(std::uint32_t endpoint, __u64* word, __u64 parked,
            std::int64_t until) override {
    lh_device_park park = {};
    park.word = reinterpret_cast<std::uint64_t>(word);
    park.parked = parked;
    // 0 is never.
    park.until =
        until == kForever
            ? 0
            : static_cast<std::uint64_t>(std::max<std::int64_t>(until, 1));
    park.endpoint = endpoint;
    if (node_.Ask(LH_DEVICE_PARK, &park)) return;
    if (errno == ETIMEDOUT || errno == EINTR || errno == ENODEV) return;
    // Another thread was bound here and has not quite ended, or worse.
    absl::SleepFor(kRefusedWait);
  }

  void Ring() override { node_.Ask(LH_DEVICE_RING); }

  void LetGo() override {
    if (!let_go_) LetGoOf(part_->LetGo());
  }

 private:
  // The file as well, if that was done with the part.
  void LetGoOf(bool part) {
    if (part) node_.LetGo();
    let_go_ = part;
  }

  const std::string path_;
  const Node node_;
  std::unique_ptr<Part> part_;
  DeviceLayout layout_ = {};
  Attachment attachment_ = {};
  std::vector<char> bound_;  // by endpoint; each is its thread's
  bool let_go_ = false;
  std::optional<ForkWatch> fork_watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> MakeKernelDevice(
    const std::string& path) {
  auto device = std::make_unique<KernelDevice>(path);
  absl::Status status = device->Open();
  if (!status.ok()) return status;
  return std::unique_ptr<Device>(std::move(device));
}

absl::Status ProbeKernelDevice(const std::string& path) {
  const Node node(path);
  if (!node.ok()) return OpenError(path);
  return node.Probe(path);
}

}  // namespace lauberhorn
