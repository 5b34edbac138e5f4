// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/report_socket.h
//
// The local socket on which a process answers questions about itself, for
// `lauberhorn stat` and `lauberhorn trace`. While nobody asks there is a
// descriptor and nothing else: the engine's thread looks at it now and then, or
// is woken by it, and hands whoever is there to a thread that ends with the
// connection.
//
// One request, a line, and its answer, lines of JSON, for each connection:
//
//   stat                 one line: StatReport()
//   trace MILLISECONDS   the trace is on for so long: a line for each record,
//                        then TraceEnd(). 0: what is in the ring now.
//
// Anything else is answered {"error": "..."}.
//
// Only the user that the process runs as, and root, are answered; the folder is
// only that user's, too. What a peer sends is bounded, and so is how long it is
// waited for.
#ifndef LAUBERHORN_NIC_REPORT_SOCKET_H_
#define LAUBERHORN_NIC_REPORT_SOCKET_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "nic/engine.h"
#include "nic/report.h"

namespace lauberhorn::nic {

class ReportSocket {
 public:
  // Listens in the first of these folders that it can; they are made if need
  // be. Null if it can in none of them: nothing depends on it. The engine,
  // which is of that process, outlives the socket.
  static std::unique_ptr<ReportSocket> Open(
      Engine& engine, ReportSubject subject,
      const std::vector<std::string>& folders);

  // Hangs up on everybody, and removes the socket.
  ~ReportSocket();

  ReportSocket(const ReportSocket&) = delete;
  ReportSocket& operator=(const ReportSocket&) = delete;

  // Readable if somebody is there.
  int descriptor() const { return listener_; }
  const std::string& path() const { return path_; }

  // Takes those who are there. Does not block; starts a thread for each.
  void Accept();

 private:
  ReportSocket(Engine& engine, ReportSubject subject, int listener,
               std::string path)
      : engine_(engine),
        subject_(std::move(subject)),
        listener_(listener),
        path_(std::move(path)) {}

  void Talk(int peer);
  void Forget(int peer);
  void Answer(int peer, absl::string_view request);
  void SendTrace(int peer, std::uint64_t milliseconds);

  Engine& engine_;
  const ReportSubject subject_;
  const int listener_;
  const std::string path_;
  std::mutex mutex_;
  std::condition_variable left_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<int> peers_ ABSL_GUARDED_BY(mutex_);  // one thread each
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_REPORT_SOCKET_H_
