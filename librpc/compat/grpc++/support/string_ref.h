// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/support/string_ref.h
//
// The old name of grpcpp/support/string_ref.h.
#ifndef GRPCXX_SUPPORT_STRING_REF_H_
#define GRPCXX_SUPPORT_STRING_REF_H_

#include "grpcpp/support/string_ref.h"

#endif  // GRPCXX_SUPPORT_STRING_REF_H_
