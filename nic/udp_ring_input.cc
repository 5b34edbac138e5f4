// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernel has one standing order, a multishot recvmsg: for each packet it
// fills one of the buffers that we have lent it and posts a completion. The
// order ends when no buffer is left, and at an empty packet, an error, or a
// full completion queue; it is then given again. Whenever Receive() says that
// nothing is there, the order stands or has left a completion that says how it
// failed, so who sleeps on the ring's descriptor is woken.
//
// The kernel does its part when this thread enters it for whatever reason, and
// never interrupts it (COOP_TASKRUN); a flag in shared memory says that it
// wants that. DEFER_TASKRUN would be cheaper for one who waits in the ring, but
// does not wake one who waits for the ring in epoll (Linux 6.18).
#include <liburing.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nic/packet.h"
#include "nic/packet_info.h"
#include "nic/udp_input.h"

namespace lauberhorn::nic {
namespace {

constexpr int kGroup = 0;  // of buffers

// What a request is, in the completions.
constexpr std::uint64_t kReceiveOrder = 1;
constexpr std::uint64_t kCancel = 2;

// How often one Receive() gives an order that ends at once.
constexpr int kOrders = 4;

absl::Status RingError(absl::string_view what, int result) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " an io_uring: ", std::strerror(-result)));
}

class RingInput final : public UdpInput {
 public:
  explicit RingInput(int socket) : socket_(socket) {
    shape_.msg_namelen = kNameSize;
    shape_.msg_controllen = sizeof(PacketInfo);
  }

  ~RingInput() override {
    if (has_ring_) {
      EndOrder();
      io_uring_queue_exit(&ring_);
    }
    if (memory_ != MAP_FAILED) munmap(memory_, MemorySize());
  }

  absl::Status Start(const RingSizes& sizes) {
    buffer_count_ = sizes.buffers;
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE;
    params.cq_entries = sizes.completions;
    int result = io_uring_queue_init_params(2, &ring_, &params);
    if (result < 0) return RingError("make", result);
    has_ring_ = true;
    memory_ = mmap(nullptr, MemorySize(), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) return RingError("get the buffers of", -errno);
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory_);
    registration.ring_entries = buffer_count_;
    registration.bgid = kGroup;
    result = io_uring_register_buf_ring(&ring_, &registration, 0);
    if (result < 0) return RingError("lend buffers to", result);
    lent_ = static_cast<io_uring_buf_ring*>(memory_);
    io_uring_buf_ring_init(lent_);
    for (unsigned buffer = 0; buffer < buffer_count_; ++buffer) {
      Lend(static_cast<std::uint16_t>(buffer), static_cast<int>(buffer));
    }
    io_uring_buf_ring_advance(lent_, static_cast<int>(buffer_count_));
    Order();
    if (!ordered_) return RingError("give an order to", -EAGAIN);
    // A kernel that does not know the order has refused it already.
    io_uring_cqe* completion = nullptr;
    if (io_uring_peek_cqe(&ring_, &completion) == 0 && completion->res < 0 &&
        !IsOfEarlierSend(completion->res)) {
      return RingError("receive with", completion->res);
    }
    return absl::OkStatus();
  }

  absl::Span<const Datagram> Receive() override {
    TakeBack();
    for (int orders = 0; orders < kOrders; ++orders) {
      if (!ordered_) Order();
      EnterIfWanted();
      io_uring_cqe* completions[Wire::kBatch];
      const unsigned count =
          io_uring_peek_batch_cqe(&ring_, completions, Wire::kBatch);
      for (unsigned at = 0; at < count; ++at) Take(*completions[at]);
      io_uring_cq_advance(&ring_, count);
      if (count_ > 0 || (count == 0 && ordered_)) return {batch_, count_};
    }
    Order();
    return {};
  }

  int descriptor() const override { return ring_.ring_fd; }
  std::uint64_t system_calls() const override { return system_calls_; }

 private:
  // The list of lent buffers, then the buffers.
  static constexpr std::size_t kListEntry = sizeof(io_uring_buf);
  // What the kernel writes: its header, the sender, the control messages, which
  // are to be aligned, the packet; one byte more than a packet has, so that one
  // that is too large shows.
  static constexpr std::size_t kNameSize = 32;
  static_assert(kNameSize >= sizeof(sockaddr_in6));
  static_assert((sizeof(io_uring_recvmsg_out) + kNameSize) %
                    alignof(PacketInfo) ==
                0);
  static constexpr std::size_t kBufferSize = sizeof(io_uring_recvmsg_out) +
                                             kNameSize + sizeof(PacketInfo) +
                                             LH_PACKET_MAX + 1;
  static constexpr std::size_t kBufferStride = (kBufferSize + 63) / 64 * 64;

  std::size_t MemorySize() const {
    return buffer_count_ * (kListEntry + kBufferStride);
  }
  std::uint8_t* Buffer(unsigned buffer) const {
    return static_cast<std::uint8_t*>(memory_) + buffer_count_ * kListEntry +
           buffer * kBufferStride;
  }

  // Puts a buffer at this place behind those that are lent.
  void Lend(std::uint16_t buffer, int place) {
    io_uring_buf_ring_add(lent_, Buffer(buffer), kBufferSize, buffer,
                          io_uring_buf_ring_mask(buffer_count_), place);
  }

  // Ends the last batch: its buffers are lent again.
  void TakeBack() {
    for (std::size_t at = 0; at < count_; ++at) {
      Lend(buffers_[at], static_cast<int>(at));
    }
    io_uring_buf_ring_advance(lent_, static_cast<int>(count_));
    count_ = 0;
  }

  // Gives the order. A request that the kernel did not take is left over for
  // the next time.
  void Order() {
    if (io_uring_sq_ready(&ring_) == 0) {
      io_uring_sqe* const request = io_uring_get_sqe(&ring_);
      io_uring_prep_recvmsg_multishot(request, socket_, &shape_, 0);
      request->flags |= IOSQE_BUFFER_SELECT;
      request->buf_group = kGroup;
      io_uring_sqe_set_data64(request, kReceiveOrder);
    }
    ++system_calls_;
    ordered_ = io_uring_submit(&ring_) == 1;
  }

  // Lets the kernel do what it has put off. io_uring_peek_batch_cqe() would do
  // so too, but would not say that it made a system call.
  void EnterIfWanted() {
    const unsigned flags = std::atomic_ref<unsigned>(*ring_.sq.kflags)
                               .load(std::memory_order_relaxed);
    if ((flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0) return;
    ++system_calls_;
    (void)io_uring_get_events(&ring_);
  }

  // An error of an earlier send (say, a port that nobody listens on) is
  // reported once and means nothing for what comes next.
  static bool IsOfEarlierSend(int result) {
    return result == -ECONNREFUSED || result == -EHOSTUNREACH ||
           result == -ENETUNREACH;
  }

  void Take(const io_uring_cqe& completion) {
    if (completion.user_data != kReceiveOrder) return;
    if ((completion.flags & IORING_CQE_F_MORE) == 0) ordered_ = false;
    if ((completion.flags & IORING_CQE_F_BUFFER) == 0) return;
    const auto buffer =
        static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
    io_uring_recvmsg_out* const packet =
        io_uring_recvmsg_validate(Buffer(buffer), completion.res, &shape_);
    if (packet == nullptr) {
      Lend(buffer, 0);
      io_uring_buf_ring_advance(lent_, 1);
      return;
    }
    sockaddr_storage from = {};
    std::memcpy(&from, io_uring_recvmsg_name(packet),
                std::min<std::size_t>(packet->namelen, shape_.msg_namelen));
    batch_[count_] = {
        {static_cast<const std::uint8_t*>(
             io_uring_recvmsg_payload(packet, &shape_)),
         io_uring_recvmsg_payload_length(packet, completion.res, &shape_)},
        Address::FromSockaddr(from)};
    msghdr control = {};
    control.msg_control = io_uring_recvmsg_cmsg_firsthdr(packet, &shape_);
    control.msg_controllen =
        std::min<std::size_t>(packet->controllen, shape_.msg_controllen);
    ReadPacketInfo(control, &batch_[count_].from);
    buffers_[count_] = buffer;
    ++count_;
  }

  // Ends the order: until then the kernel holds the socket and may write to the
  // buffers. Where this is another thread than the one that gave the order,
  // that one has ended, and the order with it; the kernel then refuses this
  // request.
  void EndOrder() {
    if (!ordered_) return;
    io_uring_sqe* const request = io_uring_get_sqe(&ring_);
    if (request == nullptr) return;
    io_uring_prep_cancel64(request, kReceiveOrder, 0);
    io_uring_sqe_set_data64(request, kCancel);
    bool cancelled = false;
    while (ordered_ || !cancelled) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result < 0 && result != -EINTR) return;
      io_uring_cqe* completion = nullptr;
      while (io_uring_peek_cqe(&ring_, &completion) == 0) {
        if (completion->user_data == kCancel) {
          cancelled = true;
        } else if ((completion->flags & IORING_CQE_F_MORE) == 0) {
          ordered_ = false;
        }
        io_uring_cq_advance(&ring_, 1);
      }
    }
  }

  const int socket_;
  unsigned buffer_count_ = 0;
  bool has_ring_ = false;
  bool ordered_ = false;  // the order stands, as far as we have heard
  io_uring ring_ = {};
  void* memory_ = MAP_FAILED;
  io_uring_buf_ring* lent_ = nullptr;
  msghdr shape_ = {};  // how the kernel divides a buffer
  std::uint64_t system_calls_ = 0;
  std::size_t count_ = 0;                // of the batch
  std::uint16_t buffers_[Wire::kBatch];  // of each of batch_
  Datagram batch_[Wire::kBatch];
};

}  // namespace

absl::StatusOr<std::unique_ptr<UdpInput>> MakeRingInput(
    int socket, const RingSizes& sizes) {
  auto input = std::make_unique<RingInput>(socket);
  const absl::Status status = input->Start(sizes);
  if (!status.ok()) return status;
  return input;
}

}  // namespace lauberhorn::nic
