/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * The properties that the models check, each under its number, and the two
 * words in which a model speaks of them.
 *
 * MUST(property, condition) is an assertion that names its property: Spin prints
 * the number, spec/model/run translates it back. EVERY_RUN_ENDS has no assertion:
 * it holds if no run ends in a state that is not an end, and no run has a cycle.
 *
 * REACHED(situation, condition) does nothing, except in a witness run (-DWITNESSES,
 * and in the verifier's environment WITNESS=number), where it is an error to get
 * there: Spin must find that error, or what the property says is never put to the
 * test. EDGE_TAKEN(number) is the same for the edges of channel.table, and EDGE.
 */

#define EVERY_RUN_ENDS 0 /* no lost wake-up, no message left, no deadlock */
#define EDGE_LEAVES_ITS_STATES 1 /* an edge leaves only the states of the table */
#define STORE_ALONE 2 /* nobody else moves a word under a plain store */
#define ONE_OWNER 3 /* nobody writes a message that another writes or reads */
#define TAKEN_ONCE 4 /* no message is taken twice, or taken and returned */
#define WORD_NAMES_MESSAGE 5 /* a taken word is that of the message seen there */
#define HELD_LIMIT 6 /* a host holds at most D-1 slots of a lane */
#define IN_ORDER 7 /* what stays in a lane is taken in the order of its fills */
#define NOTHING_BEHIND_RETIRE 8 /* who gives its core back leaves no message */
#define ANSWERED_ONCE 9 /* no call is answered twice */
#define REPLY_KEPT 10 /* a reply that was put is not replaced by an error */
#define UNTAKEN_IS_RETURNED 11 /* only a call that was taken ends in an error */
#define WHOLE_MESSAGE 12 /* all lines of a message are of the same fill */
#define ANSWERED_IN_TIME 13 /* no load made after the put waits for T_max */
#define RUN_AT_MOST_ONCE 14 /* no call is started twice, whatever restarts */
#define ANSWER_IS_OF_THE_CALL 15 /* a caller gets what its own call came to */
#define ENDED_ONCE 16 /* no call ends twice for its caller */
#define REFUSED_NEVER_RAN 17 /* a call that is answered BUSY was not started */
#define WAITED_FOR_IS_KEPT 18 /* what runs is ended only if nobody waits for it */
#define NOTHING_STRANDED 19 /* at rest nothing lies at a thread that does not run */
#define WORK_CONSERVED 20 /* no call waits while a CPU and a thread for it are free */
#define INTERRUPTED_IN_TIME 21 /* no interrupt waits for the end of a held load */
#define REFUSED_WITHIN_HOLD 22 /* no CPU is refused longer than T_HOLD after a kick */
#define OWN_CALLS_ONLY 23 /* no process sees a call for another */
#define RUN_WAKES_WHO_WAS_MEANT 24 /* no RUN of another epoch or binding wakes anybody */
#define REFUSED_ONLY_IF_STUCK 25 /* no call is refused while a thread for it can move */
#define CANCELLED_NEVER_STARTS 26 /* no call begins after its CANCEL has come */

#define MUST(property, condition) assert((condition) && 100 + property)

#ifdef WITNESSES
c_decl {
	\#include <stdlib.h>
	static int chosen_situation, chosen_edge;
	static int chosen(const char *name)
	{
		const char *number = getenv(name);

		return number ? atoi(number) : -1;
	}
	__attribute__((constructor)) static void choose(void)
	{
		chosen_situation = chosen("WITNESS");
		chosen_edge = chosen("EDGE");
	}
}
#define REACHED(situation, condition)	\
	assert(!(condition) || c_expr { chosen_situation } != situation)
#define EDGE_TAKEN(number) assert(c_expr { chosen_edge } != number)
#else
#define REACHED(situation, condition) skip
#define EDGE_TAKEN(number) skip
#endif
