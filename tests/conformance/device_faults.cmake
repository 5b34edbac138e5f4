# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# Wrong variants of examples/device/device.cc, each of which the conformance kit
# must refuse: so it is known that it can.
set(device "${Lauberhorn_SOURCE_DIR}/examples/device/device.cc")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${device}")
file(READ "${device}" device_source)

# device_fault(NAME RULE OLD NEW): with NEW for OLD a test of RULE must fail.
function(device_fault name rule old new)
  string(FIND "${device_source}" "${old}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "device_fault ${name}: ${device} has no '${old}'")
  endif()
  string(REPLACE "${old}" "${new}" faulty "${device_source}")
  set(source "${CMAKE_CURRENT_BINARY_DIR}/device_faults/${name}.cc")
  file(GENERATE OUTPUT "${source}" CONTENT "${faulty}")
  lauberhorn_program(NAME device_fault_${name} SRCS "${source}")
  # What the fault leaves unused is no finding.
  target_compile_options(device_fault_${name} PRIVATE -Wno-error -w -O1)
  add_test(NAME conformance_refuses_${name}
           COMMAND ${kit_test} $<TARGET_FILE:lauberhorn-conformance>
                   $<TARGET_FILE:device_fault_${name}> --refuse ${rule})
endfunction()

# Between the look at the word and the store there is time for the host.
device_fault(delivers_by_store SLOT-9
  [[const lh_delivery done = lh_deliver_end(&channel.in, line);]]
  [[const __u64 seen = lh_load_acquire(&line->header.word);
  usleep(50);
  lh_store_release(&line->header.word, lh_word(LH_FULL, lh_tag(seen) + 1));
  lh_lane_advance(&channel.in);
  const lh_delivery done =
      lh_state(seen) == LH_PARKED ? LH_DELIVERED_WAKE : LH_DELIVERED;]])
device_fault(reuses_tags SLOT-3
  [[const lh_delivery done = lh_deliver_end(&channel.in, line);]]
  [[const __u64 seen = lh_load_acquire(&line->header.word);
  lh_delivery done = LH_NOT_EMPTY;
  if (lh_cas64(&line->header.word, seen, lh_word(LH_FULL, lh_tag(seen)))) {
    lh_lane_advance(&channel.in);
    done = lh_state(seen) == LH_PARKED ? LH_DELIVERED_WAKE : LH_DELIVERED;
  }]])
device_fault(forgets_wakes WAIT-1
  [[if (done == LH_DELIVERED_WAKE) Wake(&line->header.word);]] "")
device_fault(revokes_the_oldest SLOT-7
  [[if (lh_load_acquire(word) != call.word || !lh_revoke(&serve.in)) return false;]]
  [[lh_lane older = serve.in;
  older.position = newest;
  if (lh_load_acquire(word) != call.word || !lh_revoke(&older)) return false;]])
device_fault(gives_what_is_in_the_line ORDER-6
  [[call.state = call.open ? Call::kQueued : Call::kFree;]]
  [[call.state = call.open ? Call::kQueued : Call::kFree;
  const lh_line* line = lh_lane_line(&serve.in, newest);
  call.message.bytes.assign(line->payload, line->payload + line->header.length);]])
device_fault(ignores_quarantine TRUST-10 [[channel.quarantined = true;]] "")
device_fault(does_not_zero HANDSHAKE-3
  [[std::memset(region->states, 0, sizeof(Region) - offsetof(Region, states));]]
  "")
device_fault(keeps_its_epoch HANDSHAKE-2
  [[++info.device_epoch;]] [[info.device_epoch |= 1;]])
# Between its last look and the flag there is time for the host.
device_fault(sleeps_without_a_look BELL-7
  [[if (!work) poll(files, 2, open ? 1 : -1);]]
  [[lh_store_release(&region->info.asleep, 0);
  usleep(300);
  lh_store_release(&region->info.asleep, 1);
  poll(files, 2, open ? 1 : -1);]])
device_fault(drops_without_room BACKLOG-2
  [[if (!gone && !Deliver(number, channel.backlog.front())) break;]]
  [[if (!gone) Deliver(number, channel.backlog.front());]])
device_fault(hides_its_backlog BACKLOG-1
  [[lh_store_release(&region->states[number].backlog, !channel.backlog.empty());]]
  "")
device_fault(believes_lengths TRUST-2 [[header.length <= kMost && ]] "")
device_fault(gives_to_who_asked_for_nothing ENDPOINT-3
  [[serve.credit > 0 && ]] "")
device_fault(gives_to_who_left ENDPOINT-9 [[ && !serve.left) {
      Call& call]] [[) {
      Call& call]])
device_fault(takes_any_reply CALL-18
  [[header.call == m.calls[index].message.header.call;]] [[true;]])
device_fault(ignores_deadlines CALL-11
  [[if (call.open && late) EndEarly(call, kExpired, LH_CALL_EXPIRED);]] "")
device_fault(does_not_tell_handlers CALL-16
  [[const __u64 word = lh_handle(flag, call.generation);]]
  [[const __u64 word = lh_handle(0, call.generation);]])
device_fault(reopens_at_slot_0 SLOT-10
  [[continue;
  for (unsigned slot]] [[continue;
  call.in.position = 0;
  for (unsigned slot]])
device_fault(keeps_answers_of_the_dead ENDPOINT-17
  [[while (lh_revoke(&call.in)) continue;]] [[]])
