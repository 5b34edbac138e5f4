// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/support/status.h
//
// The old name of grpcpp/support/status.h.
#ifndef GRPCXX_SUPPORT_STATUS_H_
#define GRPCXX_SUPPORT_STATUS_H_

#include "grpcpp/support/status.h"

#endif  // GRPCXX_SUPPORT_STATUS_H_
