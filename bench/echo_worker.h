// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/echo_worker.h
//
// What a worker with an echo handler does, without the library.
#ifndef LAUBERHORN_BENCH_ECHO_WORKER_H_
#define LAUBERHORN_BENCH_ECHO_WORKER_H_

#include <cstring>

#include "abi/host/channel_user.h"
#include "abi/host/message.h"

namespace lauberhorn::bench {

// Answers the next call of the channel; false if there is none.
inline bool AnswerNext(lh_channel& serve) {
  lh_line* const call = lh_take(&serve.in);
  if (call == nullptr) return false;
  lh_line* const reply = lh_put_begin(&serve.out);
  if (reply == nullptr) return false;
  reply->header.call = call->header.call;
  reply->header.code = 0;
  reply->header.data = 0;
  reply->header.deadline = 0;
  reply->header.length = call->header.length;
  reply->header.kind = LH_KIND_REPLY;
  reply->header.flags = 0;
  reply->header.aux = 0;
  std::memcpy(reply->payload, call->payload, LH_INLINE_SIZE);
  lh_put_end(&serve.out, reply);
  lh_release(&serve.in, call);
  return true;
}

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_ECHO_WORKER_H_
