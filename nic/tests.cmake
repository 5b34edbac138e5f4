# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# The tests of the engine's parts, and what they share: a network in memory and
# the host's side of a region.
if(NOT LAUBERHORN_BUILD_TESTS)
  return()
endif()

lauberhorn_library(
  NAME
  lauberhorn_nic_testing
  SRCS
  testing/call_oracle.cc
  testing/host_side.cc
  testing/kernel_side.cc
  testing/memory_wire.cc
  testing/simulated_caller.cc
  testing/simulated_host.cc
  testing/simulated_kernel.cc
  testing/simulated_process.cc
  testing/simulated_thread.cc
  testing/simulated_trouble.cc
  testing/simulated_worker.cc
  testing/simulation.cc
  testing/transport_peers.cc
  DEPS
  GTest::gtest
  abi_host_channel
  lauberhorn_nic)

foreach(
  part IN
  ITEMS address
        answers
        call_links
        channel_table
        client_busy
        client_calls
        client_cancel
        client_loss
        client_names
        client_opening
        client_session
        cpu_line
        cpu_shares
        dispatch_policy
        dispatcher
        dispatcher_cpus
        dispatcher_ends
        dispatcher_take_back
        dispatcher_threads
        engine
        engine_allocation
        engine_control
        engine_cpus
        engine_set
        engine_leave
        engine_link
        engine_wake
        engine_storm
        engine_many_calls
        engine_thread
        host_wire
        idle_peers
        kernel_region
        keyed_hash
        local_link
        local_links
        method_counters
        method_names
        namespaces
        origins
        packet
        poll_set
        processors
        processors_shares
        region
        replay
        report_path
        server_address
        server_calls
        server_endings
        server_opening
        server_table
        slot_pool
        socket_listener
        spin_budget
        timer_queue
        transport_storm
        udp_wire
        unix_wire)
  lauberhorn_test(NAME nic_${part}_test SRCS ${part}_test.cc DEPS
                  lauberhorn_nic_testing LABELS memory)
endforeach()
# It has one thread, which takes steps in all orders.
lauberhorn_test(NAME nic_leadership_test SRCS leadership_test.cc DEPS
                lauberhorn_nic_testing)
foreach(part IN ITEMS engine_lock fused_driver)
  lauberhorn_test(NAME nic_${part}_test SRCS ${part}_test.cc DEPS
                  lauberhorn_nic_testing LABELS concurrency)
endforeach()
lauberhorn_program(NAME nic_idle_turns SRCS testing/idle_turns.cc DEPS
                   lauberhorn_nic_testing)
# A run takes thirty times as long with sanitizers.
set(seeds)
if(LAUBERHORN_SANITIZE)
  set(seeds ARGS --seeds=1000)
endif()
lauberhorn_test(NAME nic_simulation_test SRCS simulation_test.cc DEPS
                lauberhorn_nic_testing LABELS memory SHARDS 2 ${seeds})
add_test(NAME nic_simulation_replay_test
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/testing/replay_test
                 $<TARGET_FILE:nic_simulation_test>)
# The same on one machine whose kernel publishes its run queues; and each mistake
# of that kernel is noticed.
set(machine --machine)
if(LAUBERHORN_SANITIZE)
  list(APPEND machine --seeds=200)
endif()
add_test(NAME nic_machine_simulation_test COMMAND nic_simulation_test
                                                  ${machine})
set_tests_properties(nic_machine_simulation_test PROPERTIES LABELS memory)
if(NOT LAUBERHORN_SANITIZE)
  foreach(
    mistake IN
    ITEMS PARK_WITHOUT_RECHECK
          EARLY_RUN_REFUSED
          RUN_LOST_ON_LEAVING
          DEPARTURE_UNTOLD
          PARKED_UNTOLD
          ANSWER_MISSING
          REFUSED_AS_DONE)
    add_test(NAME nic_kernel_mistake_${mistake}
             COMMAND nic_simulation_test --mistake=${mistake} --seeds=2000)
    set_tests_properties(nic_kernel_mistake_${mistake} PROPERTIES WILL_FAIL TRUE)
  endforeach()
endif()
foreach(part IN ITEMS call_oracle simulated_host simulated_kernel)
  lauberhorn_test(NAME nic_${part}_test SRCS testing/${part}_test.cc DEPS
                  lauberhorn_nic_testing)
endforeach()
foreach(part IN ITEMS report_socket trace)
  lauberhorn_test(NAME nic_${part}_test SRCS ${part}_test.cc DEPS
                  lauberhorn_nic_testing LABELS concurrency memory)
endforeach()
lauberhorn_test(NAME nic_memory_wire_test SRCS testing/memory_wire_test.cc DEPS
                lauberhorn_nic_testing)

foreach(part IN ITEMS client_transport engine local_links packet
                      server_transport)
  lauberhorn_fuzzer(NAME nic_${part}_fuzz SRCS ${part}_fuzz.cc DEPS
                    lauberhorn_nic_testing CORPUS testdata/fuzz/${part})
endforeach()
