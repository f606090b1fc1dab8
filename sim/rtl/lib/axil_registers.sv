// SPDX-License-Identifier: Apache-2.0
// An AXI4-Lite slave for a device's registers: a write is `write` for one cycle with its offset and
// data; a read answers with what `read_data` is while `read_offset` has its offset.
module axil_registers #(
    parameter int ADDR_WIDTH = 12
) (
    input logic clk,
    input logic rst_n,

    input logic [ADDR_WIDTH-1:0] s_axil_awaddr,
    input logic s_axil_awvalid,
    output logic s_axil_awready,
    input logic [31:0] s_axil_wdata,
    input logic [3:0] s_axil_wstrb,
    input logic s_axil_wvalid,
    output logic s_axil_wready,
    output logic [1:0] s_axil_bresp,
    output logic s_axil_bvalid,
    input logic s_axil_bready,
    input logic [ADDR_WIDTH-1:0] s_axil_araddr,
    input logic s_axil_arvalid,
    output logic s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [1:0] s_axil_rresp,
    output logic s_axil_rvalid,
    input logic s_axil_rready,

    output logic write,
    output logic [ADDR_WIDTH-1:0] write_offset,
    output logic [31:0] write_data,
    output logic [ADDR_WIDTH-1:0] read_offset,
    input logic [31:0] read_data
);
  // Address and data are taken together. Registers are written whole.
  assign write = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid && rst_n;
  assign s_axil_awready = write;
  assign s_axil_wready = write;
  assign write_offset = s_axil_awaddr;
  assign write_data = s_axil_wdata;
  assign s_axil_bresp = 2'b00;

  assign s_axil_arready = !s_axil_rvalid && rst_n;
  assign read_offset = s_axil_araddr;
  assign s_axil_rresp = 2'b00;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      s_axil_bvalid <= 1'b0;
      s_axil_rvalid <= 1'b0;
    end else begin
      if (write) s_axil_bvalid <= 1'b1;
      else if (s_axil_bready) s_axil_bvalid <= 1'b0;
      if (s_axil_arvalid && s_axil_arready) begin
        s_axil_rvalid <= 1'b1;
        s_axil_rdata <= read_data;
      end else if (s_axil_rready) s_axil_rvalid <= 1'b0;
    end
  end

  logic unused = &{s_axil_wstrb};
endmodule
