//go:build integration && linux && (amd64 || arm64)

package sensor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// actVariable says to the test binary which acts to perform instead of testing. In
// a container it is /bin/act.
const actVariable = "ULLAGE_SENSOR_ACTS"

func TestMain(m *testing.M) {
	if acts := os.Getenv(actVariable); acts != "" {
		for act := range strings.SplitSeq(acts, ";") {
			if err := perform(strings.Fields(act)); err != nil {
				fmt.Fprintln(os.Stderr, act+":", err)
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// perform does one act.
func perform(act []string) error {
	switch act[0] {
	case "run": // run FILE ARG...
		c := exec.Command(act[1], act[2:]...)
		c.Env = []string{actVariable + "=nothing"} // a copy of this program must not begin anew
		return c.Run()
	case "nothing":
		return nil
	case "try": // try ACT...: does another act, and says what came of it
		said := "ok"
		if err := perform(act[1:]); err != nil {
			said = err.Error()
		}
		fmt.Printf("%s: %s\n", strings.Join(act[1:], " "), said)
		return nil
	case "reach": // reach NETWORK ADDRESS: connects; of udp, sends a datagram, too
		c, err := net.DialTimeout(act[1], act[2], 5*time.Second) // a connection takes long on an emulated machine
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("x"))
		return firstError(err, c.Close())
	case "datagram": // datagram ADDRESS: without a connection
		return datagramTo(act[1])
	case "as": // as FILE ACT...: does one other act as a copy of this program
		c := exec.Command(act[1])
		c.Env = []string{actVariable + "=" + strings.Join(act[2:], " ")}
		return c.Run()
	case "begin": // begin FILE: opens it for writing, and writes nothing
		f, err := os.OpenFile(act[1], os.O_WRONLY, 0)
		if errors.Is(err, os.ErrNotExist) {
			f, err = os.OpenFile(act[1], os.O_WRONLY|os.O_CREATE, 0o644)
		}
		if err != nil {
			return err
		}
		return f.Close()
	case "route": // all addresses are behind the loopback interface, and nobody is at them
		return firstError(loopbackUp(), routeToLoopback())
	case "dial": // dial ADDRESS...: waits for no answer
		for _, to := range act[1:] {
			if c, err := net.DialTimeout("tcp4", to, 20*time.Millisecond); err == nil {
				c.Close()
			}
		}
		return nil
	case "listen": // listen ADDRESS
		l, err := net.Listen("tcp4", act[1])
		if err != nil {
			return err
		}
		return l.Close()
	case "names": // names HOW DOMAIN N: asks for N names in a domain
		n, err := strconv.Atoi(act[3])
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("name-%c%c.%s", 'a'+i/26%26, 'a'+i%26, act[2]))
		}
		return firstError(err, askNames(act[1], names))
	case "unmount": // unmount PATH, if the kernel lets it
		_ = unix.Unmount(act[1], 0)
		return nil
	case "raw": // a socket for packets as they are
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		return firstError(err, unix.Close(fd))
	case "copy": // copy FROM TO
		return copyFile(act[1], act[2])
	case "append": // append FILE: a byte that no program minds
		f, err := os.OpenFile(act[1], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.Write([]byte{0})
		return firstError(err, f.Close())
	case "memory": // memory FILE: runs a copy of it that is in memory only
		return runInMemory(act[1])
	case "arguments": // arguments FILE N: runs it N times, each time with another argument
		return runMany(act[1], act[2])
	case "drop": // drop FROM N: copies it to N files, and runs each
		n, err := strconv.Atoi(act[2])
		for i := range n {
			to := fmt.Sprintf("/tmp/drop-%c%c", 'a'+i/26, 'a'+i%26)
			if err := firstError(copyFile(act[1], to), exec.Command(to).Run()); err != nil {
				return err
			}
		}
		return err
	case "connect": // connect NETWORK ADDRESS...
		for _, to := range act[2:] {
			if c, err := net.Dial(act[1], to); err == nil {
				_, _ = c.Write([]byte("x"))
				c.Close()
			}
		}
		return nil
	case "ports": // ports FIRST N: connects to N ports at which nobody listens
		return connectMany(act[1], act[2])
	case "mapped": // mapped PORT: to IPv4, from a socket of IPv6
		port, err := strconv.Atoi(act[1])
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		_ = unix.Connect(fd, &unix.SockaddrInet6{Addr: [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}, Port: port})
		return unix.Close(fd)
	case "sendto": // sendto ADDRESS: a datagram without a connection
		return sendTo(act[1])
	case "serve": // serve NETWORK ADDRESS TO: accepts one connection, from itself
		return serveOnce(act[1], act[2], act[3])
	case "sensor": // sensor PROCESS: reads a sensor until its input ends; says when it is there
		return readSensor(act[1])
	case "pinned": // pinned DIRECTORY: a sensor that outlasts its process, which waits to be killed
		s, err := Start(Options{Policies: ownImageOnly(), Pins: act[1]})
		if err != nil {
			return err
		}
		fmt.Println("there", s.Resumed(), s.Replaced())
		return s.Run(context.Background(), func(Event) {})
	case "loopback": // takes the loopback interface up
		return loopbackUp()
	case "calls": // calls NUMBER...: without arguments
		for _, number := range act[1:] {
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				return err
			}
			if _, _, errno := unix.RawSyscall(uintptr(n), 0, 0, 0); errno == unix.EPERM {
				return errno
			}
		}
		return nil
	case "read": // read FILE...: opens each, whether it is there or not
		for _, file := range act[1:] {
			if f, err := os.Open(file); err == nil {
				f.Close()
			}
		}
		return nil
	case "link": // link TO FROM
		return os.Symlink(act[1], act[2])
	case "map": // map FILE: to be executed
		f, err := os.Open(act[1])
		if err != nil {
			return err
		}
		_, err = unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
		return firstError(err, f.Close())
	case "files": // files DIRECTORY N: makes N files in it
		return makeFiles(act[1], act[2], func(i int) string { return fmt.Sprintf("file-%c%c", 'a'+i/26%26, 'a'+i%26) })
	case "trees": // trees DIRECTORY N: makes N directories in it, with a file each
		return makeFiles(act[1], act[2], func(i int) string { return fmt.Sprintf("tree-%c%c/file", 'a'+i/26%26, 'a'+i%26) })
	case "change": // change DIRECTORY: what names are for
		return changeNames(act[1])
	case "ask": // ask HOW NAME...: 127.0.0.1, of which nobody answers
		return askNames(act[1], act[2:])
	case "do": // do NAME...: privileged acts
		return performPrivileged(act[1:])
	case "pause": // waits in a call that never returns
		go func() {
			runtime.LockOSThread()
			_, _, _ = unix.RawSyscall(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(new([8]byte))), 0, 0)
		}()
		time.Sleep(100 * time.Millisecond)
		return nil
	case "nested": // nested NAME...: privileged acts, or one other, in user and network namespaces of its own
		c := exec.Command("/proc/self/exe")
		c.Env = []string{actVariable + "=" + strings.Join(act[1:], " ")}
		if privileged[act[1]] != nil {
			c.Env[0] = actVariable + "=do " + strings.Join(act[1:], " ")
		}
		c.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET, UidMappings: []syscall.SysProcIDMap{{Size: 1}}, GidMappings: []syscall.SysProcIDMap{{Size: 1}},
		}
		return c.Run()
	case "overwritten": // overwritten [user]: new processes by clone3, the flags of which are their number when that returns
		return overwritten(len(act) > 1)
	case "chroot": // chroot DIRECTORY FILE: runs a file below another root
		c := exec.Command(act[2])
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: act[1]}
		return c.Run()
	case "accept": // accept NETWORK ADDRESS: one connection
		l, err := net.Listen(act[1], act[2])
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := l.Accept()
		if err != nil {
			return err
		}
		return c.Close()
	case "wait": // wait FIFO: until somebody writes to it
		_, err := os.ReadFile(act[1])
		return err
	}
	return fmt.Errorf("no such act")
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return firstError(err, out.Close())
}

func changeNames(dir string) error {
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return firstError(unix.Mkdirat(at, "made", 0o755), unix.Chdir(dir), unix.Symlinkat("made", at, "sym"), unix.Mknod("fifo", unix.S_IFIFO|0o600, 0),
		unix.Renameat(at, "fifo", unix.AT_FDCWD, "made/../renamed"), unix.Chmod("renamed", 0o4755), unix.Chmod("renamed", 0o755), unix.Fchmod(at, 0o2755), unix.Link("renamed", dir+"/hard"),
		unix.Unlinkat(at, "hard", 0), unix.Rmdir(dir+"/made"), unix.Chdir("/"), unix.Close(at))
}

func makeFiles(dir, number string, name func(int) string) error {
	n, err := strconv.Atoi(number)
	for i := range n {
		file := filepath.Join(dir, name(i))
		if err := firstError(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			return err
		}
	}
	return err
}

func runInMemory(file string) error {
	fd, err := unix.MemfdCreate("hidden", 0)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, text); err != nil {
		return err
	}
	return exec.Command(filepath.Join("/proc", strconv.Itoa(os.Getpid()), "fd", strconv.Itoa(fd))).Run()
}

func runMany(file, number string) error {
	n, err := strconv.Atoi(number)
	for i := range n {
		p, err := os.StartProcess(file, []string{file, strconv.Itoa(i)}, &os.ProcAttr{})
		if err != nil {
			return err
		}
		if _, err := p.Wait(); err != nil {
			return err
		}
	}
	return err
}

// connectMany is as fast as the machine is: sockets that need not wait.
func connectMany(first, number string) error {
	from, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(number)
	for i := range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		_ = unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: from + i})
		unix.Close(fd)
	}
	return err
}

func sendTo(address string) error {
	_ = datagramTo(address)
	return nil
}

func datagramTo(address string) error {
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	c, err := net.ListenPacket("udp", ":0")
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.WriteTo([]byte("x"), to)
	return err
}

func readSensor(contained string) error {
	s, err := Start(Options{})
	if err != nil {
		return err
	}
	pid, err := strconv.ParseUint(contained, 10, 32)
	if err := firstError(err, s.contain(uint32(pid))); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	fmt.Println("ready")
	return firstError(s.Run(ctx, func(Event) {}), s.Close())
}

// contain lets a process count as one in a container.
func (s *Sensor) contain(pid uint32) error {
	var p kernelProcess
	if err := s.maps.Processes.Lookup(pid, &p); err != nil {
		return err
	}
	p.Session = sessionEntry
	return s.maps.Processes.Put(pid, &p)
}

// askNames sends questions, by a connected socket, datagrams without a connection or
// a stream.
func askNames(how string, names []string) error {
	var c net.Conn
	var err error
	send := func(message []byte) error {
		_, err := c.Write(message)
		return err
	}
	switch how {
	case "connected":
		c, err = net.Dial("udp4", "127.0.0.1:53")
	case "six":
		c, err = net.Dial("udp6", "[::1]:53")
	case "stream":
		var l net.Listener
		if l, err = net.Listen("tcp4", "127.0.0.1:53"); err != nil {
			return err
		}
		defer l.Close()
		c, err = net.Dial("tcp4", "127.0.0.1:53")
		send = func(message []byte) error {
			_, err := c.Write(append([]byte{0, byte(len(message))}, message...))
			return err
		}
	default:
		u, err := net.ListenUDP("udp4", nil)
		if err != nil {
			return err
		}
		c = u
		send = func(message []byte) error {
			_, err := u.WriteToUDP(message, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53})
			return err
		}
	}
	if err != nil {
		return err
	}
	defer c.Close()
	for _, name := range names {
		message := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
		for label := range strings.SplitSeq(name, ".") {
			message = append(append(message, byte(len(label))), label...)
		}
		_ = send(append(message, 0, 0, 1, 0, 1)) // nobody listens: an error may come back
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// routeToLoopback makes the default route lead to the loopback interface (RFC 3549).
func routeToLoopback() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const length = unix.SizeofNlMsghdr + unix.SizeofRtMsg + 8
	message := make([]byte, length)
	*(*unix.NlMsghdr)(unsafe.Pointer(&message[0])) = unix.NlMsghdr{Len: length, Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_REQUEST | unix.NLM_F_CREATE | unix.NLM_F_ACK}
	*(*unix.RtMsg)(unsafe.Pointer(&message[unix.SizeofNlMsghdr])) = unix.RtMsg{
		Family: unix.AF_INET, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST,
	}
	attribute := message[unix.SizeofNlMsghdr+unix.SizeofRtMsg:]
	*(*unix.RtAttr)(unsafe.Pointer(&attribute[0])) = unix.RtAttr{Len: 8, Type: unix.RTA_OIF}
	attribute[4] = 1 // the loopback interface is the first
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil || n < unix.SizeofNlMsghdr+4 {
		return firstError(err, errors.New("a short answer of netlink"))
	}
	if code := *(*int32)(unsafe.Pointer(&answer[unix.SizeofNlMsghdr])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

func serveOnce(network, address, to string) error {
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		if c, err := net.Dial(network, to); err == nil {
			c.Close()
		}
	}()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	return c.Close()
}
