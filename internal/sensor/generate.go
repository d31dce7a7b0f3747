package sensor

// The kernel's half is compiled by clang 14 with the headers of libbpf-dev, and
// what comes of it is committed: who builds Ullage needs neither. make sensor
// calls this.
//
//go:generate go run ../../test/syscalls .
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -no-global-types -tags linux -target bpfel -cflags "-O2 -g -Wall -Werror -mcpu=v3" -type key -type exec -type flow -type group -type process -type alert -type listener -type call -type act -type touch -type question -type policy -type executable -type peer -type glass -type state kernel bpf/sensor.c
