# A guest whose screen changes at moments that are known exactly.
#
# After every key it waits for 1.0 to 2.05 s, so that nobody's rhythm helps, then repaints the whole
# text screen at once and says so on port 0xe9 at that moment: 'A' or 'B' for the page that now
# stands there, 'K' for a key that has arrived. Nothing blinks.
# Made by guests.rs: as --32, ld -Ttext 0x7c00 --oformat binary.

        .code16
        .globl  _start
        .set    MARK, 0xe9

_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        cld
        movw    $0x0003, %ax            # 80x25 characters
        int     $0x10
        movw    $0x2000, %cx            # no cursor
        movb    $1, %ah
        int     $0x10
        movw    $0xb800, %ax
        movw    %ax, %es
        xorw    %bp, %bp                # the page: 0 is A, 1 is B
        call    paint

again:  xorw    %ax, %ax                # a key
        int     $0x16
        movb    $'K', %al
        outb    %al, $MARK
        rdtsc                           # 1 s, and a sixteenth of a millisecond for each low bit
        movzwl  %ax, %eax
        shll    $4, %eax
        addl    $1000000, %eax
        movl    %eax, %edx
        shrl    $16, %eax
        movw    %ax, %cx
        movb    $0x86, %ah              # wait for CX:DX microseconds
        int     $0x15
        xorw    $1, %bp
        call    paint
        jmp     again

paint:  movw    %bp, %ax
        imulw   $0x2d1b, %ax            # other colours and another letter on each page
        addw    $0x1e50, %ax
        movw    $2000, %cx
        xorw    %di, %di
        rep     stosw
        movw    $(11 * 160 + 64), %di   # a word in the middle, so that there is an edge to look at
        movw    $word, %si
        movw    $(word_end - word), %cx
        movb    $0x70, %ah
1:      lodsb
        stosw
        loop    1b
        movw    %bp, %ax
        addb    $'A', %al
        movb    $0x70, %ah
        stosw
        outb    %al, $MARK
        ret

word:   .ascii  " this is page "
word_end:

        .org    510
        .word   0xaa55
