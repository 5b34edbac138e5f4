// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/engine_set.h
//
// The engines of all processes of one machine, driven together: one turn for
// all of them.
//
// A turn costs what its CPUs and its traffic cost, not its processes: an engine
// is polled if it was told something of its threads, if one of them is on a
// CPU, if its time has come, or if something came for it. (A process sets its
// bells with threads on CPUs; one engine more of each turn finds what others
// set for it.)
//
// Passive, as the engines are: whoever drives it calls all from one thread.
#ifndef LAUBERHORN_NIC_ENGINE_SET_H_
#define LAUBERHORN_NIC_ENGINE_SET_H_

#include <cstdint>
#include <vector>

#include "nic/engine.h"
#include "nic/processors.h"
#include "nic/time.h"
#include "nic/timer_queue.h"

namespace lauberhorn::nic {

class EngineSet {
 public:
  // For processes 0 to `processes` - 1 of `processors`, which outlives it; null
  // if the kernel publishes nothing.
  EngineSet(Processors* processors, std::uint32_t processes);

  EngineSet(const EngineSet&) = delete;
  EngineSet& operator=(const EngineSet&) = delete;

  // The engine of a process, which outlives its place here.
  void Add(std::uint32_t process, Engine& engine);
  void Remove(std::uint32_t process);

  // Something has come for the process, on its wires or by a ring; or by a ring
  // of which nobody says whose it is.
  void Mark(std::uint32_t process);
  void MarkAll();

  // One turn. Returns when the next is wanted, as Engine::Poll().
  Nanos Turn(Nanos now);

  // Says to all processes that nobody looks, and looks once more. True: it may
  // sleep until a ring, a packet, or the time that Turn() returned; Awake()
  // must follow. False: there is work.
  bool TryToSleep();
  void Awake();

  // How often an engine was polled, in all turns.
  std::uint64_t polls() const { return polls_; }

 private:
  void LookAtProcessors(Nanos now);
  void Poll(std::uint32_t process, Nanos now);

  Processors* const processors_;
  std::vector<Engine*> engines_;      // by process
  std::vector<bool> marked_;          // of marks_
  std::vector<std::uint32_t> marks_;  // processes
  TimerQueue timers_;                 // of processes
  std::uint32_t rotation_ = 0;        // the last that got a look at its bells
  std::uint64_t polls_ = 0;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ENGINE_SET_H_
