// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Compares a recording of tests/vm/modules/recorder with what the scheduler had
// to publish (replay.h), and prints what is wrong, with the records around it.
//
//   compare_trace RECORDING
//
// Its exit status is 0 if nothing is wrong, 1 if something is, 2 if the
// recording cannot be read or is not whole.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>

#include "tests/vm/trace/recording.h"
#include "tests/vm/trace/replay.h"

namespace lauberhorn::trace {
namespace {

// Records of the same CPU that are shown before and after one that is wrong.
constexpr std::size_t kBefore = 12;
constexpr std::size_t kAfter = 3;

void Show(const Recording& recording, const Replay::Finding& finding) {
  std::cout << "WRONG at " << finding.seq << ": " << finding.text << "\n";
  const std::vector<lh_record>& records = recording.records;
  std::size_t at = 0;
  while (at + 1 < records.size() && records[at].seq < finding.seq) ++at;
  std::size_t begin = at;
  for (std::size_t shown = 0; begin > 0 && shown < kBefore;) {
    shown += Concerns(records[--begin], records[at]);
  }
  for (std::size_t shown = 0; begin < records.size() && shown <= kAfter;
       ++begin) {
    if (!Concerns(records[begin], records[at])) continue;
    shown += begin > at;
    std::cout << (begin == at ? "  > " : "    ") << Describe(records[begin])
              << "\n";
  }
}

int Compare(const std::string& path) {
  std::string error;
  const std::optional<Recording> recording = ReadRecording(path, error);
  if (!recording) {
    std::cerr << "compare_trace: " << path << ": " << error << "\n";
    return 2;
  }
  Replay replay(recording->cpus);
  for (const lh_record& record : recording->records) replay.Add(record);
  for (const Replay::Finding& finding : replay.findings()) {
    Show(*recording, finding);
  }
  std::cout << "FIGURE trace_words_compared " << replay.words_compared()
            << " words\nFIGURE trace_words_wrong " << replay.wrong()
            << " words\nFIGURE trace_event_kinds " << replay.event_kinds()
            << " kinds\nFIGURE delayed_wakeups_seen "
            << replay.delayed_wakeups() << " wake-ups\n";
  return replay.wrong() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace lauberhorn::trace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: compare_trace RECORDING\n";
    return 2;
  }
  return lauberhorn::trace::Compare(argv[1]);
}
