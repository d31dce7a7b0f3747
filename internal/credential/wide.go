package credential

import (
	"bytes"
	"encoding/binary"
)

// wide is how a file in UTF-16 has its characters: by the mark at its beginning, as
// editors and exports of Windows write it, or where there is none by its first ones.
type wide struct {
	order binary.ByteOrder // nil for a file that is not
	at    int64            // of the first byte that was not searched yet
}

func orderOf(text []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")) && !bytes.HasPrefix(text, []byte("\xff\xfe\x00\x00")): // that is UTF-32
		return binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		return binary.BigEndian
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if beginsAsText(text, order) {
			return order
		}
	}
	return nil
}

// beginsAsText reports whether a file begins with characters that are ASCII and take two
// bytes, enough of them that they are no accident.
func beginsAsText(text []byte, order binary.ByteOrder) bool {
	const least, most = 8, 32
	units := min(len(text)/2, most)
	for i := range units {
		switch unit := order.Uint16(text[2*i:]); {
		case unit >= ' ' && unit <= '~', unit == '\t', unit == '\n', unit == '\r':
		default:
			return false
		}
	}
	return units >= least
}

// wideWindow is [Search.Window] of a file in UTF-16. Windows may begin and end amid a
// character, which belongs to the one that has its first byte.
func (s *Search) wideWindow(text []byte, from, to int) []Hit {
	skew := int(s.wide.at-int64(from)) & 1
	units := narrow(text[min(skew, len(text)):], s.wide.order)
	s.wide.at += int64(to - from)
	first, last := min((from-skew+1)/2, len(units)), min((to-skew+1)/2, len(units))
	hits := s.window(units, first, last)
	for i := range hits {
		hits[i].Offset *= 2
	}
	return hits
}

// narrow gives one byte for each character: credentials are of ASCII, and others are
// as good as one that is in none.
func narrow(text []byte, order binary.ByteOrder) []byte {
	units := make([]byte, len(text)/2)
	for i := range units {
		if unit := order.Uint16(text[2*i:]); unit < 0x80 {
			units[i] = byte(unit)
		} else {
			units[i] = 0xff
		}
	}
	return units
}
