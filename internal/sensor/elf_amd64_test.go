//go:build integration && linux

package sensor

// ends is exit(0) for the processor.
var ends = []byte{0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05} // mov eax, 60; xor edi, edi; syscall

const machine = 62
