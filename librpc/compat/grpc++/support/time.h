// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/support/time.h
//
// The old name of grpcpp/support/time.h.
#ifndef GRPCXX_SUPPORT_TIME_H_
#define GRPCXX_SUPPORT_TIME_H_

#include "grpcpp/support/time.h"

#endif  // GRPCXX_SUPPORT_TIME_H_
