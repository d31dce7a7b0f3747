package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"
)

// The form in which results are cached. It follows from the Go types alone, so
// that a field that is added is stored without anybody thinking of it; what was
// written with other types is not read, see [version]. Lists of texts, which are
// mostly sorted paths, say of each text what differs from the one before.

var (
	errForm   = errors.New("not in the form that was expected")
	timeType  = reflect.TypeFor[time.Time]()
	textsType = reflect.TypeFor[[]string]()
)

// mostInTexts bounds all lists of texts of a form, in bytes. They are packed, so that a
// few bytes can stand for many.
const mostInTexts = 1 << 28

// appendValue appends a value of exported fields, texts, numbers, times, lists,
// maps by text and pointers.
func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float())), nil
	case reflect.String:
		return appendText(b, v.String()), nil
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0), nil
		}
		return appendValue(append(b, 1), v.Elem())
	case reflect.Slice:
		if v.Type() == textsType {
			return appendTexts(b, v.Interface().([]string)), nil
		}
		if v.IsNil() {
			return append(b, 0), nil
		}
		return appendEach(binary.AppendUvarint(b, uint64(v.Len())+1), v)
	case reflect.Array:
		return appendEach(b, v)
	case reflect.Map:
		return appendMap(b, v)
	case reflect.Struct:
		return appendStruct(b, v)
	}
	return nil, fmt.Errorf("a %s cannot be stored", v.Type())
}

func appendEach(b []byte, v reflect.Value) (_ []byte, err error) {
	for i := 0; i < v.Len() && err == nil; i++ {
		b, err = appendValue(b, v.Index(i))
	}
	return b, err
}

func appendMap(b []byte, v reflect.Value) (_ []byte, err error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("a %s cannot be stored", v.Type())
	}
	if v.IsNil() {
		return append(b, 0), nil
	}
	keys := map[string]reflect.Value{}
	for _, k := range v.MapKeys() {
		keys[k.String()] = k
	}
	b = binary.AppendUvarint(b, uint64(len(keys))+1)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if b, err = appendValue(appendText(b, k), v.MapIndex(keys[k])); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendStruct(b []byte, v reflect.Value) (_ []byte, err error) {
	if v.Type() == timeType {
		text, err := v.Interface().(time.Time).MarshalBinary()
		return appendText(b, string(text)), err
	}
	for i := 0; i < v.NumField(); i++ {
		if !v.Type().Field(i).IsExported() {
			return nil, fmt.Errorf("a %s cannot be stored: its field %s is not exported", v.Type(), v.Type().Field(i).Name)
		}
		if b, err = appendValue(b, v.Field(i)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, list []string) []byte {
	if list == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(list))+1)
	total := 0
	for _, s := range list {
		total += len(s)
	}
	b = binary.AppendUvarint(b, uint64(total))
	before := ""
	for _, s := range list {
		same := 0
		for same < len(s) && same < len(before) && s[same] == before[same] {
			same++
		}
		b = appendText(binary.AppendUvarint(b, uint64(same)), s[same:])
		before = s
	}
	return b
}

// formReader takes a form apart. After the first error everything is empty. Texts
// that it gives share the memory of rest.
type formReader struct {
	rest     string
	unpacked uint64 // bytes of lists of texts
	bad      bool
}

func (r *formReader) fail() {
	r.rest, r.bad = "", true
}

func (r *formReader) number() uint64 {
	var v uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.fail()
	return 0
}

// count reads the length of a list of elements that take a byte each at least.
func (r *formReader) count() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

// list reads the length of a list that can be nil, which is -1.
func (r *formReader) list() int {
	n := r.number()
	if n > uint64(len(r.rest))+1 {
		r.fail()
		return -1
	}
	return int(n) - 1
}

func (r *formReader) text() string {
	n := r.count()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *formReader) texts() []string {
	n := r.list()
	if n < 0 {
		return nil
	}
	total := r.number()
	if r.unpacked += total; total > mostInTexts || r.unpacked > mostInTexts {
		r.fail()
		return nil
	}
	all := make([]byte, 0, min(total, 16*uint64(len(r.rest)))) // which real ones are well below
	ends := make([]int, n)
	start := 0
	for i := range ends {
		same, added := r.number(), r.text()
		if same > uint64(len(all)-start) || uint64(len(all)+len(added))+same > total {
			r.fail()
			return nil
		}
		next := len(all)
		all = append(append(all, all[start:start+int(same)]...), added...)
		start, ends[i] = next, len(all)
	}
	text, list := string(all), make([]string, n)
	start = 0
	for i, end := range ends {
		list[i], start = text[start:end], end
	}
	return list
}

// value reads what appendValue wrote. What is wrong in it leaves r bad.
func (r *formReader) value(v reflect.Value) {
	if r.bad {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.number() == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := r.number()
		v.SetInt(int64(n>>1) ^ -int64(n&1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.number())
	case reflect.Float32, reflect.Float64:
		if len(r.rest) < 8 {
			r.fail()
			return
		}
		v.SetFloat(math.Float64frombits(binary.LittleEndian.Uint64([]byte(r.rest[:8]))))
		r.rest = r.rest[8:]
	case reflect.String:
		v.SetString(r.text())
	case reflect.Pointer:
		if r.number() == 1 {
			v.Set(reflect.New(v.Type().Elem()))
			r.value(v.Elem())
		}
	case reflect.Slice:
		r.slice(v)
	case reflect.Array:
		for i := range v.Len() {
			r.value(v.Index(i))
		}
	case reflect.Map:
		r.mapping(v)
	case reflect.Struct:
		r.structure(v)
	default:
		r.fail()
	}
}

func (r *formReader) slice(v reflect.Value) {
	if v.Type() == textsType {
		v.Set(reflect.ValueOf(r.texts()))
		return
	}
	n := r.list()
	if n < 0 {
		return
	}
	// Elements may be large in memory and are mostly few: grown as they are read.
	v.Set(reflect.MakeSlice(v.Type(), 0, min(n, 1<<12)))
	zero := reflect.Zero(v.Type().Elem())
	for i := 0; i < n && !r.bad; i++ {
		v.Set(reflect.Append(v, zero))
		r.value(v.Index(i))
	}
}

func (r *formReader) mapping(v reflect.Value) {
	n := r.list()
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i < n && !r.bad; i++ {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.SetString(r.text())
		r.value(value)
		v.SetMapIndex(key, value)
	}
}

func (r *formReader) structure(v reflect.Value) {
	if v.Type() == timeType {
		t := v.Addr().Interface().(*time.Time)
		if t.UnmarshalBinary([]byte(r.text())) != nil {
			r.fail()
		}
		return
	}
	for i := range v.NumField() {
		r.value(v.Field(i))
	}
}

// encodeValue gives the form of what to points at.
func encodeValue(b []byte, of any) ([]byte, error) {
	return appendValue(b, reflect.ValueOf(of).Elem())
}

// decodeValue reads the form into what to points at, which shares its memory.
func decodeValue(form string, to any) error {
	r := formReader{rest: form}
	r.value(reflect.ValueOf(to).Elem())
	if r.bad || r.rest != "" {
		return errForm
	}
	return nil
}
