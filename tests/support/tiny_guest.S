# A guest of our own: boots from its disk in a fraction of a second, shows pages, answers keys.
#
# Keys on the keyboard and bytes on COM1 mean the same:
#   h hang with interrupts off      l loop with interrupts on    r reboot     p power off
#   f flood serial and screen until a key                        g next graphics mode
#   e echo a line typed on the screen                            d read the disk until a key
#   any other: next page, A to H
#
# Everything it does is announced on COM1 as a line. Nothing on its screen blinks.
# Made by tiny_guest.rs: as --32, ld -Ttext 0x7c00 --oformat binary.

        .code16
        .globl  _start
        .set    SECTORS, 7              # after the first
        .set    COM1, 0x3f8
        .set    TEXT, 0xb800

_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        ljmp    $0, $1f
1:      sti
        cld
        movb    %dl, drive
        movw    $packet, %si            # the rest of us, by number of sector
        movb    $0x42, %ah
        int     $0x13
        jnc     main
        hlt
        .balign 4
packet: .byte   16, 0
        .word   SECTORS, 0x7e00, 0
        .quad   1
drive:  .byte   0

        .org    510
        .word   0xaa55

main:   call    serial_init
        call    font_init
        call    text_mode
        movw    $ready, %si
        call    say
        call    show_page

# Sleeps until the clock ticks or a key comes; both are looked at each time.
idle:   call    input
        jnz     command
        sti
        hlt
        jmp     idle

command:
        cmpb    $'h', %al
        je      hang
        cmpb    $'l', %al
        je      busy
        cmpb    $'r', %al
        je      reboot
        cmpb    $'p', %al
        je      power_off
        cmpb    $'f', %al
        je      flood
        cmpb    $'g', %al
        je      graphics
        cmpb    $'e', %al
        je      echo
        cmpb    $'d', %al
        je      disk
        incb    page                    # any other
        cmpb    $8, page
        jb      1f
        movb    $0, page
1:      cmpb    $0, drawing
        je      2f
        movb    $0, drawing
        call    text_mode
2:      call    show_page
        jmp     idle

hang:   movw    $hang_text, %si
        call    say
        cli
        hlt
        jmp     hang

busy:   movw    $busy_text, %si
        call    say
1:      jmp     1b

reboot: movw    $reboot_text, %si
        call    say
        movb    $0xfe, %al              # the keyboard controller pulls the reset line
        outb    %al, $0x64
1:      hlt
        jmp     1b

power_off:
        movw    $off_text, %si
        call    say
        movw    $0x5301, %ax            # APM: connect, speak 1.2, everything off
        xorw    %bx, %bx
        int     $0x15
        movw    $0x530e, %ax
        xorw    %bx, %bx
        movw    $0x0102, %cx
        int     $0x15
        movw    $0x5307, %ax
        movw    $0x0001, %bx
        movw    $0x0003, %cx
        int     $0x15
1:      hlt
        jmp     1b

# Serial lines and a screen full of changing characters.
flood:  movw    $flood_text, %si
        call    say
        movw    $TEXT, %ax
        movw    %ax, %es
        xorw    %bx, %bx
1:      movw    $flood_line, %si
        call    say
        incw    %bx
        xorw    %di, %di
        movw    %bx, %ax
        movw    $2000, %cx
        rep     stosw
        call    input
        jz      1b
        movw    $flood_end, %si
        call    say
        call    show_page
        jmp     idle

# One sector again and again, to where nothing of ours is.
disk:   movw    $disk_text, %si
        call    say
1:      movw    $far_packet, %si
        movb    drive, %dl
        movb    $0x42, %ah
        int     $0x13
        call    input
        jz      1b
        call    show_page
        jmp     idle
        .balign 4
far_packet:
        .byte   16, 0
        .word   1, 0, 0x2000
        .quad   0

# 13h is 320x200 in 256 colours, 12h is 640x480 in 16.
graphics:
        xorb    $1, mode
        movw    $0x13, %ax
        cmpb    $1, mode
        je      1f
        movw    $0x12, %ax
1:      pushw   %ax
        int     $0x10
        popw    %ax
        movb    $1, drawing
        movw    $0xa000, %bx
        movw    %bx, %es
        xorw    %di, %di
        cmpb    $0x12, %al
        je      planes
        movw    $200, %dx
2:      xorw    %bx, %bx                # sixteen bars of twenty pixels
3:      movb    %bl, %al
        movw    $20, %cx
        rep     stosb
        incw    %bx
        cmpw    $16, %bx
        jb      3b
        decw    %dx
        jnz     2b
        jmp     drawn
planes: movw    $0x3c4, %dx             # stripes, all planes at once
        movw    $0x0f02, %ax
        outw    %ax, %dx
        movw    $480, %dx
4:      movb    $0xff, %al
        testb   $16, %dl
        jz      5f
        movb    $0x0f, %al
5:      movw    $80, %cx
        rep     stosb
        decw    %dx
        jnz     4b
drawn:  movw    $graphics_text, %si
        call    say
        jmp     idle

# A line typed after `e`, on the screen as it comes and on COM1 when it ends.
echo:   movw    $echo_text, %si
        call    say
        movw    $TEXT, %ax
        movw    %ax, %es
        movw    $(22 * 160 + 4), %di
        movw    $line, %bx
1:      call    input
        jnz     2f
        sti
        hlt
        jmp     1b
2:      cmpb    $'\r', %al
        je      3f
        cmpb    $'\n', %al
        je      3f
        cmpw    $(line + 70), %bx
        jae     1b
        movb    %al, (%bx)
        incw    %bx
        movb    $0x4f, %ah
        stosw
        jmp     1b
3:      movb    $0, (%bx)
        movw    $typed_text, %si
        call    puts
        movw    $line, %si
        call    say
        jmp     idle

# One key or byte in AL, lower case, and the zero flag clear; or the zero flag set.
input:  movw    $(COM1 + 5), %dx
        inb     %dx, %al
        testb   $1, %al
        jz      1f
        movw    $COM1, %dx
        inb     %dx, %al
        jmp     2f
1:      movb    $1, %ah
        int     $0x16
        jz      3f
        movb    $0, %ah
        int     $0x16
2:      cmpb    $0, %al                 # keys without a character count as well
        jne     3f
        orb     $1, %ah
3:      ret

text_mode:
        movw    $0x0003, %ax
        int     $0x10
        movb    $0x01, %ah              # no cursor
        movw    $0x2607, %cx
        int     $0x10
        movw    $0x1003, %ax            # bright backgrounds, not blinking ones
        movb    $0, %bl
        int     $0x10
        ret

# Where the BIOS keeps its 8x8 letters.
font_init:
        pushw   %es
        pushw   %bp
        movw    $0x1130, %ax
        movb    $0x03, %bh
        int     $0x10
        movw    %es, font + 2
        movw    %bp, font
        popw    %bp
        popw    %es
        ret

# A background of the page's colour, a title, and the page's letter 32 cells wide and 16 high.
show_page:
        movw    $TEXT, %ax
        movw    %ax, %es
        movzbw  page, %bx
        xorw    %di, %di
        movb    colours(%bx), %ah
        movb    $' ', %al
        movw    $2000, %cx
        rep     stosw
        movw    $title, %si
        movw    $(160 + 4), %di
1:      lodsb
        testb   %al, %al
        jz      2f
        stosw
        jmp     1b
2:      movb    page, %al
        addb    $'A', %al
        movb    %al, page_letter
        stosw
        pushw   %ds
        movzbw  %al, %ax
        shlw    $3, %ax
        ldsw    font, %si
        addw    %ax, %si
        movw    $(4 * 160 + 48), %di
        movb    $8, %dh                 # rows of the letter
3:      lodsb
        movb    $2, %dl                 # each two cells high
4:      pushw   %ax
        pushw   %di
        movb    %al, %bl
        movb    $8, %bh
5:      movw    $0x0fdb, %ax            # a full white cell
        addb    %bl, %bl
        jc      6f
        addw    $8, %di
        jmp     7f
6:      movw    $4, %cx
        rep     stosw
7:      decb    %bh
        jnz     5b
        popw    %di
        popw    %ax
        addw    $160, %di
        decb    %dl
        jnz     4b
        decb    %dh
        jnz     3b
        popw    %ds
        movw    $page_text, %si
        jmp     say

serial_init:
        movw    $(COM1 + 3), %dx
        movb    $0x80, %al
        outb    %al, %dx
        movw    $COM1, %dx
        movb    $1, %al
        outb    %al, %dx
        movw    $(COM1 + 3), %dx
        movb    $3, %al
        outb    %al, %dx
        movw    $(COM1 + 2), %dx        # queues on
        movb    $7, %al
        outb    %al, %dx
        ret

# A line on COM1.
say:    call    puts
        movw    $newline, %si
puts:   lodsb
        testb   %al, %al
        jz      2f
        movb    %al, %cl
        movw    $(COM1 + 5), %dx
1:      inb     %dx, %al
        testb   $0x20, %al
        jz      1b
        movw    $COM1, %dx
        movb    %cl, %al
        outb    %al, %dx
        jmp     puts
2:      ret

page:           .byte   0
mode:           .byte   0
drawing:        .byte   0
colours:        .byte   0x1f, 0x2f, 0x4f, 0x5f, 0x3f, 0x6f, 0x8f, 0x0f
font:           .word   0, 0
title:          .asciz  "tiny guest  "
newline:        .asciz  "\r\n"
ready:          .asciz  "tiny guest ready"
page_text:      .ascii  "page "
page_letter:    .asciz  "A"
hang_text:      .asciz  "hang"
busy_text:      .asciz  "busy"
reboot_text:    .asciz  "reboot"
off_text:       .asciz  "power off"
flood_text:     .asciz  "flood"
flood_line:     .asciz  "flood 0123456789 0123456789 0123456789 0123456789 0123456789"
flood_end:      .asciz  "flood end"
graphics_text:  .asciz  "graphics"
disk_text:      .asciz  "reading"
echo_text:      .asciz  "echo"
typed_text:     .asciz  "typed "
line:           .fill   72

        .org    512 * (SECTORS + 1)
