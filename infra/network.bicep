// The virtual network: a subnet that the functions call out from, one for private endpoints, one for the server of plain Envoys.
param location string
param tags object
param token string

resource virtualNetwork 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: ['10.80.0.0/22']
    }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: '10.80.0.0/24'
          // Flex Consumption takes the delegation of Container Apps, and no underscore in the name.
          delegations: [
            {
              name: 'functions'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.80.1.0/24'
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
      {
        name: 'xds'
        properties: {
          addressPrefix: '10.80.2.0/24'
          delegations: [
            {
              name: 'xds'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
    ]
  }
}

output virtualNetworkId string = virtualNetwork.id
output functionsSubnetId string = '${virtualNetwork.id}/subnets/functions'
output endpointsSubnetId string = '${virtualNetwork.id}/subnets/endpoints'
output xdsSubnetId string = '${virtualNetwork.id}/subnets/xds'
